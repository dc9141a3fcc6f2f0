"""Turns of a conversation as each host of the chat/completions dialect wants them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.card import ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from router.providers.registry import ROWS, wire_format

TOOLS = (Tool(name="f", parameters={"type": "object", "properties": {}}),)


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts or (Text(text="Hi"),))


def ask(*messages: Message, tools: tuple[Tool, ...] = ()) -> ChatRequest:
    return ChatRequest(model="auto", messages=messages, tools=tools)


def sent(request: ChatRequest, host: str = "tokenmix") -> dict[str, Any]:
    card = ModelCard(provider=host, id="m")
    return msgspec.json.decode(wire_format(ROWS[host]).encode(request, card, stream=True).body)


def test_parts_of_every_kind() -> None:
    message = user(
        Text(text="Look"),
        Media(kind="image", media_type="image/png", data="AAAA", detail="low"),
        Media(kind="image", url="https://example.com/a.png"),
        Media(kind="audio", media_type="audio/mpeg", data="BBBB"),
        Media(kind="audio", media_type="audio/x-wav", data="BBBB"),
        Media(kind="video", url="https://example.com/a.mp4"),
        Media(kind="document", media_type="application/pdf", data="CCCC", name="a.pdf"),
        Media(kind="document", file_id="file-1"),
    )
    assert sent(ask(message))["messages"][0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"},
        },
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    document = Media(kind="document", url="https://example.com/a.pdf")
    assert sent(ask(user(document)), "mistral")["messages"][0]["content"] == [
        {"type": "document_url", "document_url": "https://example.com/a.pdf"}
    ]


def test_texts_are_one_string_unless_a_cache_mark_stands_between_them() -> None:
    mark = {"type": "ephemeral"}
    message = user(Text(text="a", cache=mark), Text(text="b"))
    assert sent(ask(message))["messages"][0]["content"] == "a\nb"
    assert sent(ask(message), "openrouter")["messages"][0]["content"] == [
        {"type": "text", "text": "a", "cache_control": mark},
        {"type": "text", "text": "b"},
    ]


def test_names_go_where_they_are_taken() -> None:
    message = Message(role="user", name="Ada", parts=(Text(text="Hi"),))
    assert sent(ask(message))["messages"][0]["name"] == "Ada"
    assert "name" not in sent(ask(message), "mistral")["messages"][0]


def tool_loop(call_id: str = "call_1", *, thoughts: tuple[Reasoning, ...] = ()) -> ChatRequest:
    extra = Opaque(vendor="openai", kind="extra_content", value={"google": {"x": 1}})
    foreign = Opaque(vendor="gemini", kind="thought_signature", value="sig")
    call = ToolCall(id=call_id, name="f", arguments='{"x": 1}', opaque=(extra, foreign))
    result = ToolResult(call_id=call_id, content=(Text(text="2"),))
    return ask(
        user(),
        Message(role="assistant", parts=(*thoughts, call)),
        Message(role="tool", parts=(result,)),
        tools=TOOLS,
    )


def test_a_tool_loop() -> None:
    assert sent(tool_loop())["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"x": 1}'},
                    "extra_content": {"google": {"x": 1}},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
    ]


@pytest.mark.parametrize("host", ["openai", "groq", "mistral"])
def test_hosts_that_refuse_unknown_fields_get_none(host: str) -> None:
    turn = sent(tool_loop(thoughts=(Reasoning(text="Hm"),)), host)["messages"][1]
    assert turn.keys() == {"role", "content", "tool_calls"}
    assert turn["tool_calls"][0].keys() == {"id", "type", "function"}


THOUGHT = Reasoning(
    text="Hm",
    opaque=(
        Opaque(vendor="openai", kind="reasoning_details", value={"type": "reasoning.text"}),
        Opaque(vendor="openai", kind="thinking_blocks", value={"type": "thinking"}),
        Opaque(vendor="anthropic", kind="signature", value="never"),
    ),
)


@pytest.mark.parametrize(
    ("host", "thoughts", "fields"),
    [
        ("tokenmix", (THOUGHT,), {"reasoning_content": "Hm"}),
        ("tokenmix", (), {}),
        ("deepseek", (THOUGHT,), {"reasoning_content": "Hm"}),
        ("deepseek", (), {"reasoning_content": ""}),
        ("openrouter", (THOUGHT,), {"reasoning_details": [{"type": "reasoning.text"}]}),
        ("openrouter", (Reasoning(text="Hm"),), {}),
        (
            "litellm",
            (THOUGHT,),
            {"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking"}]},
        ),
    ],
)
def test_thinking_goes_back_on_turns_with_tools(
    host: str, thoughts: tuple[Reasoning, ...], fields: dict[str, Json]
) -> None:
    turn = sent(tool_loop(thoughts=thoughts), host)["messages"][1]
    assert {k: v for k, v in turn.items() if k not in ("role", "content", "tool_calls")} == fields


@pytest.mark.parametrize(
    ("host", "call_id", "kept"),
    [
        ("openai", "call_1", True),
        ("openai", "x" * 41, False),
        ("mistral", "abcDEF123", True),
        ("mistral", "call_1", False),
    ],
)
def test_tool_ids_fit_the_host_on_both_sides(host: str, call_id: str, kept: bool) -> None:
    _, turn, result = sent(tool_loop(call_id), host)["messages"]
    used = turn["tool_calls"][0]["id"]
    assert used == result["tool_call_id"]
    assert (used == call_id) is kept
    assert len(used) <= 40
    assert host != "mistral" or (len(used) == 9 and used.isalnum())


def test_what_tools_show_follows_in_a_user_turn() -> None:
    picture = Media(kind="image", url="https://example.com/a.png")
    results = tuple(
        Message(role="tool", parts=(ToolResult(call_id=call_id, content=content),))
        for call_id, content in (("a", (picture,)), ("b", (Text(text="2"),)))
    )
    messages = sent(ask(user(), *results))["messages"]
    assert [message["role"] for message in messages] == ["user", "tool", "tool", "user"]
    assert messages[1]["content"] == "The result is in the next message."
    assert messages[3]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    ]
