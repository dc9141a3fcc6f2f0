"""Signatures and encrypted reasoning go out to the client and come back to their vendor."""

import json
from typing import Any

from inline_snapshot import snapshot

from models.chat import Opaque, Reasoning, ToolCall
from models.stream import (
    Finished,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from serving.dialects.openai.parse import parse
from serving.dialects.openai.render import ChunkRenderer
from tests.serving.fake_router import legs
from tests.serving.openai_reader import read_stream
from tests.serving.rendering import END, body, outcome, request, stream

SIGNATURE = Opaque(vendor="anthropic", kind="signature", value="c2ln")
REDACTED = Opaque(vendor="anthropic", kind="redacted_thinking", value="c2VjcmV0")
TEXT_SIGNATURE = Opaque(vendor="gemini", kind="text_signature", value="dGV4dA==")
BLOCK = {"type": "thinking", "thinking": "hm", "signature": "x"}
HOST_BLOCK = Opaque(vendor="openai", kind="thinking_blocks", value=BLOCK)
HOST_ITEM = Opaque(
    vendor="openai",
    kind="reasoning_details",
    value={"type": "reasoning.encrypted", "data": "abc", "id": "rs_1", "index": 0},
)


def returned(details: list[dict[str, Any]], thought: str) -> list[Any]:
    """The reasoning that arrives here when a client sends its assistant turn back."""
    turn = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": thought,
        "reasoning_details": details,
    }
    sent = {"messages": [{"role": "user", "content": "x"}, turn]}
    parts = parse(json.dumps(sent).encode()).request.messages[1].parts
    return [part for part in parts if isinstance(part, Reasoning)]


def test_signed_thoughts_come_back_as_they_were() -> None:
    events: list[StreamEvent] = [
        ReasoningDelta("First "),
        ReasoningDelta("thought."),
        ReasoningDelta(opaque=SIGNATURE),
        ReasoningDelta(opaque=REDACTED),
        ReasoningDelta("Second."),
        ReasoningDelta(opaque=SIGNATURE),
        ReasoningDelta(opaque=TEXT_SIGNATURE),
        ReasoningDelta(opaque=HOST_BLOCK),
        ReasoningDelta(opaque=HOST_ITEM),
        TextDelta("Answer"),
    ]
    read = read_stream(stream(*([event] for event in events), END))
    message = body(events, END)["choices"][0]["message"]

    assert read.reasoning == message["reasoning_content"] == "First thought.Second."
    assert read.details == message["reasoning_details"]
    assert read.details[0] == snapshot(
        {
            "id": "headstart/anthropic/signature",
            "format": "anthropic-claude-v1",
            "index": 0,
            "type": "reasoning.text",
            "text": "First thought.",
            "signature": "c2ln",
        }
    )
    assert read.details[-1] == HOST_ITEM.value
    assert returned(read.details, read.reasoning) == [
        Reasoning(text="First thought.", opaque=(SIGNATURE,)),
        Reasoning(opaque=(REDACTED,)),
        Reasoning(text="Second.", opaque=(SIGNATURE,)),
        Reasoning(opaque=(TEXT_SIGNATURE,)),
        Reasoning(opaque=(HOST_BLOCK,)),
        Reasoning(opaque=(HOST_ITEM,)),
    ]


def test_a_signature_does_not_cover_what_an_earlier_leg_thought() -> None:
    shown = outcome()
    renderer = ChunkRenderer(request(), shown, legacy=False)
    first, second = legs()
    shown.legs.append(first)
    raw = renderer.render([ReasoningDelta("Broken leg.")])
    shown.legs.append(second)
    raw += renderer.render([ReasoningDelta("Own thought."), ReasoningDelta(opaque=SIGNATURE)])
    read = read_stream(raw + renderer.end())

    assert read.reasoning == "Broken leg.Own thought."
    assert [item["text"] for item in read.details] == ["Own thought."]


def test_a_call_carries_its_signatures_there_and_back() -> None:
    signature = Opaque(vendor="gemini", kind="thought_signature", value="sig")
    fields = Opaque(vendor="openai", kind="provider_specific_fields", value={"a": 1})
    events: list[StreamEvent] = [
        ToolCallStarted(0, "c1", "f", (signature, fields)),
        ToolArgsDelta(0, "{}"),
        ToolCallEnded(0),
        Finished("tool_calls"),
    ]
    [call] = read_stream(stream(events)).calls
    [whole] = body(events)["choices"][0]["message"]["tool_calls"]

    assert call.extra_content == whole["extra_content"]
    turn = {"role": "assistant", "content": None, "tool_calls": [whole]}
    sent = {"messages": [{"role": "user", "content": "x"}, turn]}
    [part] = parse(json.dumps(sent).encode()).request.messages[1].parts
    assert isinstance(part, ToolCall)
    assert signature in part.opaque
    assert fields in part.opaque
