from __future__ import annotations

import msgspec
import pytest

from models.card import Abilities, ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.errors import Unsupported
from router.providers.anthropic import AnthropicFormat
from tests.fakes.conversations import turn

OLD = ModelCard(
    provider="anthropic",
    id="old",
    max_output=64_000,
    abilities=Abilities(prefill="assistant_turn"),
)
WEATHER = Tool(name="weather", description="Today's", parameters={"properties": {}})
CACHE = {"type": "ephemeral", "ttl": "1h"}


HELLO = (turn("user", "Hello"),)


def sent(request: ChatRequest) -> Json:
    return msgspec.json.decode(AnthropicFormat().encode(request, OLD, stream=False).body)


def messages(*turns: Message, prefill: str = "") -> Json:
    return sent(ChatRequest(model="auto", messages=turns, prefill=prefill))["messages"]


def test_a_conversation_with_tools_media_and_thoughts() -> None:
    request = ChatRequest(
        model="auto",
        messages=(
            Message(role="system", parts=(Text(text="Be brief.", cache=CACHE),)),
            turn(
                "user", "Weather in both?", Media(kind="image", media_type="image/gif", data="R0")
            ),
            turn(
                "assistant",
                Reasoning(
                    text="Two calls.",
                    opaque=(Opaque(vendor="anthropic", kind="signature", value="sig"),),
                ),
                "Looking.",
                ToolCall(id="a", name="weather", arguments='{"city": "Rome"}'),
                ToolCall(id="b", name="weather"),
            ),
            turn("tool", ToolResult(call_id="a", content=(Text(text="sunny"),))),
            turn("user", "Go on."),
            turn("tool", ToolResult(call_id="b", is_error=True, cache=CACHE)),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="auto"),
        parallel_tool_calls=False,
        max_tokens=100,
        stop=("END", " \n"),
        user="u1",
    )
    assert sent(request) == {
        "model": "old",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather in both?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/gif", "data": "R0"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Two calls.", "signature": "sig"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [{"type": "text", "text": "sunny"}],
                    },
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "is_error": True,
                        "cache_control": CACHE,
                    },
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
        "tools": [
            {
                "name": "weather",
                "description": "Today's",
                "input_schema": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
    }


def test_a_history_with_calls_declares_their_tools() -> None:
    body = sent(
        ChatRequest(
            model="auto",
            messages=(
                *HELLO,
                turn("assistant", ToolCall(id="a", name="gone")),
                turn("tool", ToolResult(call_id="a")),
            ),
        )
    )
    assert body["tools"] == [{"name": "gone", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_foreign_call_ids_are_spelt_in_allowed_letters() -> None:
    history = messages(
        *HELLO,
        turn("assistant", ToolCall(id="functions.look:0", name="look")),
        turn("tool", ToolResult(call_id="functions.look:0")),
        turn("assistant", ToolCall(id="functions.look:0", name="look")),
        turn("tool", ToolResult(call_id="functions.look:0")),
        turn("tool", ToolResult(call_id="nobody's")),
    )
    ids = [block.get("id") or block.get("tool_use_id") for m in history for block in m["content"]]
    assert ids == [
        None,
        "functions_look_0",
        "functions_look_0",
        "functions_look_0_2",
        "functions_look_0_2",
        "nobody_s",
    ]


def test_broken_arguments_are_kept_in_an_object() -> None:
    call = turn("assistant", ToolCall(id="a", name="look", arguments='{"x": 1'))
    assert messages(*HELLO, call)[1]["content"][0]["input"] == {"_raw": '{"x": 1'}


def test_thoughts_go_back_to_anthropic_only_and_only_when_signed() -> None:
    history = messages(
        *HELLO,
        turn(
            "assistant",
            Reasoning(text="unsigned"),
            Reasoning(
                text="foreign",
                opaque=(Opaque(vendor="gemini", kind="thought_signature", value="g"),),
            ),
            Reasoning(
                opaque=(Opaque(vendor="anthropic", kind="redacted_thinking", value="secret"),)
            ),
            Reasoning(opaque=(Opaque(vendor="anthropic", kind="signature", value="hidden"),)),
            "Hi.",
        ),
        turn("user", "Bye"),
    )
    assert history[1]["content"] == [
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "thinking", "thinking": "", "signature": "hidden"},
        {"type": "text", "text": "Hi."},
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media(kind="image", url="https://host/cat.png"),
            {"type": "image", "source": {"type": "url", "url": "https://host/cat.png"}},
        ),
        (
            Media(kind="document", file_id="file_1", name="a.pdf"),
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "a.pdf"},
        ),
        (
            Media(kind="document", data="JVBERi0="),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
        ),
        (
            Media(kind="document", media_type="text/csv", data="YSxiCg==", cache=CACHE),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b\n"},
                "cache_control": CACHE,
            },
        ),
    ],
)
def test_media(media: Media, block: Json) -> None:
    assert messages(turn("user", media))[0]["content"] == [block]


def test_audio_is_refused_rather_than_dropped() -> None:
    with pytest.raises(Unsupported, match="audio"):
        messages(turn("user", Media(kind="audio", data="UklGRg==")))


def test_a_prefill_ends_in_a_visible_character() -> None:
    assert messages(*HELLO, prefill="One two. \n")[-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "One two."}],
    }


def test_blank_texts_and_empty_turns_are_left_out() -> None:
    assert messages(turn("user", "Hello", " \n"), turn("assistant", "")) == messages(*HELLO)


def test_a_lone_system_prompt_becomes_the_question() -> None:
    body = sent(ChatRequest(model="auto", messages=(turn("system", "Write a haiku."),)))
    assert "system" not in body
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Write a haiku."}]


def test_a_greeting_by_the_assistant_gets_a_user_turn_before_it() -> None:
    history = messages(turn("assistant", "How can I help?"), *HELLO)
    assert [m["role"] for m in history] == ["user", "assistant", "user"]
