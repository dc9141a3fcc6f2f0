"""What an upstream of the Responses dialect is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.card import Abilities, ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from router.providers.responses import ResponsesFormat

FORMAT = ResponsesFormat()
ABLE = Abilities(json_schema=True, logprobs=True, reasoning=True, efforts=("low", "high"))
SCHEMA: dict[str, Json] = {"type": "object", "properties": {}}
USER = Message(role="user", parts=(Text(text="Hi"),))


def sent(request: ChatRequest, abilities: Abilities = ABLE, **card: Any) -> dict[str, Any]:
    model = ModelCard(provider="openai", id="m", abilities=abilities, **card)
    wire = FORMAT.encode(request, model, stream=True)
    assert wire.path == "/responses"
    return json.loads(wire.body)


def test_the_least_that_is_sent() -> None:
    request = ChatRequest(model="auto", messages=(USER,))
    assert sent(request, Abilities()) == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "store": False,
    }


def test_options() -> None:
    request = ChatRequest(
        model="auto",
        messages=(USER,),
        tools=(Tool(name="f", parameters=SCHEMA), Tool(name="g", description="G", strict=True)),
        tool_choice=ToolChoice(mode="tool", name="g"),
        parallel_tool_calls=False,
        response_format=ResponseFormat(kind="json_schema", schema=SCHEMA, strict=True),
        max_tokens=9000,
        temperature=0.5,
        top_p=0.9,
        stop=("x",),
        seed=7,
        logprobs=True,
        top_logprobs=2,
        reasoning_effort="medium",
        user="u",
    )
    body = sent(request, max_output=4096)
    assert {name: body[name] for name in body if name not in ("input", "tools")} == {
        "model": "m",
        "stream": True,
        "store": False,
        "max_output_tokens": 4096,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 2,
        "reasoning": {"effort": "high"},
        "user": "u",
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
        },
        "tool_choice": {"type": "function", "name": "g"},
        "parallel_tool_calls": False,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    }
    assert body["tools"] == [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False},
        {"type": "function", "name": "g", "description": "G", "parameters": SCHEMA, "strict": True},
    ]


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_tool_choices(mode: Any) -> None:
    request = ChatRequest(
        model="auto",
        messages=(USER,),
        tools=(Tool(name="f"),),
        tool_choice=ToolChoice(mode=mode),
    )
    assert sent(request)["tool_choice"] == mode


def test_a_conversation_with_thinking_tools_and_pictures() -> None:
    item: dict[str, Json] = {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "sealed",
        "summary": [],
    }
    request = ChatRequest(
        model="auto",
        messages=(
            Message(role="system", parts=(Text(text="Be kind."),)),
            Message(
                role="user",
                parts=(
                    Text(text="Look"),
                    Media(kind="image", media_type="image/png", data="AAAA", detail="low"),
                    Media(kind="document", media_type="application/pdf", data="BBBB", name="a.pdf"),
                    Media(kind="document", url="https://example.com/b.pdf"),
                ),
            ),
            Message(
                role="assistant",
                parts=(
                    Reasoning(
                        text="Hm",
                        opaque=(
                            Opaque(vendor="responses", kind="reasoning", value=item),
                            Opaque(vendor="anthropic", kind="signature", value="never"),
                        ),
                    ),
                    Text(text="Let me see."),
                    ToolCall(id="c1", name="f", arguments='{"x":1}'),
                ),
            ),
            Message(role="tool", parts=(ToolResult(call_id="c1", content=(Text(text="2"),)),)),
        ),
        prefill="It is",
    )
    assert sent(request)["input"] == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {
                    "type": "input_image",
                    "image_url": "data:image/png;base64,AAAA",
                    "detail": "low",
                },
                {
                    "type": "input_file",
                    "file_data": "data:application/pdf;base64,BBBB",
                    "filename": "a.pdf",
                },
                {"type": "input_file", "file_url": "https://example.com/b.pdf"},
            ],
        },
        item,
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "It is"}]},
    ]
