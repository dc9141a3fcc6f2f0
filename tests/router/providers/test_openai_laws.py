"""Laws of both OpenAI dialects: requests keep what they hold, replies mean the same however cut."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.card import Abilities, ModelCard
from models.chat import (
    ChatRequest,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from models.stream import (
    Alive,
    Failed,
    Finished,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
)
from router.providers.base import WireFormat
from router.providers.openai import OpenAIFormat
from router.providers.registry import ROWS, wire_format
from router.providers.responses import ResponsesFormat

FORMATS: list[WireFormat] = [
    ResponsesFormat(),
    *(wire_format(row) for row in ROWS.values() if row.dialect == "openai"),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=4).map(
    lambda value: json.dumps(value, ensure_ascii=False, indent=len(value) % 3 or None)
)


def _seal(vendor: str, kind: str, number: int) -> Opaque:
    return Opaque(vendor=vendor, kind=kind, value=f"SEAL-{vendor}-{number}")


seals = st.builds(
    _seal,
    st.sampled_from(["anthropic", "gemini", "openai", "responses"]),
    st.sampled_from(["signature", "reasoning_details", "extra_content", "reasoning"]),
    st.integers(0, 9),
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A conversation with tool rounds, thinking and vendor data of everyone."""
    messages: list[Message] = [Message(role="system", parts=(Text(text=draw(texts)),))]
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", parts=(Text(text=draw(texts) or "Hi"),)))
        calls = [
            ToolCall(
                id=f"call_{turn}_{number}",
                name="f",
                arguments=text,
                opaque=tuple(draw(st.lists(seals, max_size=2))),
            )
            for number, text in enumerate(draw(st.lists(arguments, max_size=2)))
        ]
        thought = Reasoning(text=draw(texts), opaque=tuple(draw(st.lists(seals, max_size=2))))
        parts: tuple[Part, ...] = (thought, Text(text=draw(texts)), *calls)
        messages.append(Message(role="assistant", parts=parts))
        messages += [
            Message(role="tool", parts=(ToolResult(call_id=c.id, content=(Text(text="ok"),)),))
            for c in calls
        ]
    messages.append(Message(role="user", parts=(Text(text="Go on."),)))
    return ChatRequest(model="auto", messages=tuple(messages), tools=(Tool(name="f"),))


@given(requests(), st.sampled_from(FORMATS), st.booleans())
def test_a_request_keeps_its_texts_and_arguments_and_is_not_changed(
    request: ChatRequest, wire: WireFormat, stream: bool
) -> None:
    before = copy.deepcopy(request)
    card = ModelCard(provider="p", id="m", abilities=Abilities(reasoning=True))
    body = json.loads(wire.encode(request, card, stream=stream).body)

    assert request == before
    sent = json.dumps(body, ensure_ascii=False)
    wanted = [
        part.arguments
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    assert _arguments(body) == wanted
    for message in request.messages:
        assert json.dumps(message.text, ensure_ascii=False)[1:-1] in sent
    for vendor in {"anthropic", "gemini", "openai", "responses"} - {wire.name}:
        assert f"SEAL-{vendor}-" not in sent


def _arguments(body: dict[str, Any]) -> list[str]:
    if "input" in body:
        return [item["arguments"] for item in body["input"] if item.get("type") == "function_call"]
    return [
        call["function"]["arguments"]
        for message in body["messages"]
        for call in message.get("tool_calls", ())
    ]


@st.composite
def cut_up(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, none of them empty."""
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
    edges = [0, *(place for place in places if place < len(text)), len(text)]
    return [text[a:b] for a, b in pairwise(edges) if a < b]


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, str, list[str], list[dict[str, Any]]]:
    """Thinking, text and calls, and the chunks that a host might send them in."""
    thought, text = draw(texts), draw(texts)
    calls = draw(st.lists(arguments, max_size=3))
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in draw(cut_up(thought))]
    deltas += [{"content": piece} for piece in draw(cut_up(text))]
    for index, whole in enumerate(calls):
        opening = {"index": index, "id": f"id{index}", "function": {"name": "f", "arguments": ""}}
        deltas.append({"tool_calls": [opening]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in draw(cut_up(whole))
        ]
    return thought, text, calls, deltas


@given(replies(), st.data())
def test_a_reply_means_the_same_however_it_is_cut(
    reply: tuple[str, str, list[str], list[dict[str, Any]]], data: st.DataObject
) -> None:
    thought, text, calls, deltas = reply
    chunks: list[dict[str, Any]] = [
        {"id": "c", "choices": [{"index": 0, "delta": delta}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    escaped = data.draw(st.booleans())
    stream = b"".join(
        f"data: {json.dumps(chunk, ensure_ascii=escaped)}\n\n".encode() for chunk in chunks
    )
    stream += b"data: [DONE]\n\n"
    size = data.draw(st.integers(1, len(stream)))
    end = data.draw(st.integers(0, len(stream)))

    events = _read(stream, size)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == text
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == thought
    for index, whole in enumerate(calls):
        assert _call(events, index) == whole
        assert ToolCallEnded(index) in events
    assert events[-1] == Finished("tool_calls" if calls else "stop", "stop")

    broken = _read(stream[:end], size)
    assert text.startswith("".join(e.text for e in broken if isinstance(e, TextDelta)))
    for index, whole in enumerate(calls):
        assert ToolCallEnded(index) not in broken or _call(broken, index) == whole
    assert isinstance(broken[-1], Finished | Failed)


def _read(stream: bytes, size: int) -> list[StreamEvent]:
    decoder = OpenAIFormat().decoder()
    events: list[StreamEvent] = []
    for start in range(0, len(stream), size):
        events += decoder.feed(stream[start : start + size])
    return [event for event in events + decoder.close() if event != Alive()]


def _call(events: list[StreamEvent], index: int) -> str:
    pieces = [e.text for e in events if isinstance(e, ToolArgsDelta) and e.index == index]
    return "".join(pieces)
