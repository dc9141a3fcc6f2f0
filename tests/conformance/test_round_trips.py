"""What a model said goes back to it whole, and its vendor's own data to nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from models.card import Abilities, ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from models.stream import (
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from router.providers.base import WireFormat
from router.providers.openai import OpenAIFormat, Quirks
from tests.conformance.reading import FORMATS, decode, read
from tests.fakes.recordings import Recording, recordings

# Hosts of the chat/completions dialect hand back what they made in their own way.
_HOST: dict[str, WireFormat] = {
    "openai": OpenAIFormat(Quirks(reasoning_opaque="reasoning_details"))
}
ENCODERS = FORMATS | _HOST

CALLED = [
    pytest.param(recording, id=recording.id)
    for recording in recordings().values()
    if recording.status == 200
    and recording.expected
    and recording.expected.get("tool_calls")
    and recording.expected["finish_openai"] in ("tool_calls", None)
]


def _turn_of(events: list[StreamEvent]) -> Message:
    """The assistant turn that a client keeps of a reply."""
    parts: list[Text | Reasoning | ToolCall] = []
    open_calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}
    thought = ""
    for event in events:
        match event:
            case ReasoningDelta():
                thought += event.text
                if event.opaque is not None:
                    parts.append(Reasoning(text=thought, opaque=(event.opaque,)))
                    thought = ""
            case TextDelta():
                parts.append(Text(text=event.text))
            case ToolCallStarted():
                open_calls[event.index] = (event, [])
            case ToolArgsDelta():
                open_calls[event.index][1].append(event.text)
            case ToolCallEnded():
                started, pieces = open_calls[event.index]
                call = ToolCall(
                    id=started.id,
                    name=started.name,
                    arguments="".join(pieces),
                    opaque=started.opaque,
                )
                parts.append(call)
            case _:
                pass
    if thought:
        parts.insert(0, Reasoning(text=thought))
    return Message(role="assistant", parts=tuple(parts))


def _follow_up(recording: Recording) -> ChatRequest:
    """The next request of a client that ran the tools."""
    turn = _turn_of(decode(recording))
    calls = [part for part in turn.parts if isinstance(part, ToolCall)]
    results = tuple(
        Message(
            role="tool",
            parts=(ToolResult(call_id=call.id, name=call.name, content=(Text(text="done"),)),),
        )
        for call in calls
    )
    ask = Message(role="user", parts=(Text(text="Do it."),))
    names = dict.fromkeys(call.name for call in calls)
    return ChatRequest(
        model="auto",
        messages=(ask, turn, *results),
        tools=tuple(Tool(name=name) for name in names),
    )


def _encoded(request: ChatRequest, dialect: str, model: str) -> str:
    card = ModelCard(provider=dialect, id=model, abilities=Abilities(reasoning=True), known=False)
    body = ENCODERS[dialect].encode(request, card, stream=True).body
    return json.dumps(json.loads(body))


def _strings(value: Json) -> Iterator[str]:
    """Every long text in vendor data: what could be recognised in a body."""
    if isinstance(value, str) and len(value) >= 32:
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _strings(inner)


def _opaques(request: ChatRequest) -> Iterator[Opaque]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Reasoning | ToolCall):
                yield from part.opaque


@pytest.mark.parametrize("recording", CALLED)
@pytest.mark.parametrize("dialect", ENCODERS)
def test_calls_go_back_to_any_provider_with_their_arguments(
    recording: Recording, dialect: str
) -> None:
    request = _follow_up(recording)
    body = json.loads(_encoded(request, dialect, "some-model"))
    sent = list(_calls_in(body))
    said = [
        (part.name, json.loads(part.arguments))
        for part in request.messages[1].parts
        if isinstance(part, ToolCall)
    ]
    assert said
    assert sent == said


def _calls_in(value: Json) -> Iterator[tuple[str, Json]]:
    """Tool calls of a body in any dialect, in order."""
    if isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _calls_in(inner)
    elif isinstance(value, dict):
        match cast("dict[str, Any]", value):
            case {"type": "tool_use", "name": name, "input": arguments}:
                yield name, arguments
            case {"functionCall": {"name": name, **rest}}:
                yield name, rest.get("args", {})
            case {"function": {"name": name, "arguments": str(arguments)}}:
                yield name, json.loads(arguments)
            case {"type": "function_call", "name": name, "arguments": str(arguments)}:
                yield name, json.loads(arguments)
            case other:
                for inner in other.values():
                    yield from _calls_in(inner)


@pytest.mark.parametrize("recording", CALLED)
@pytest.mark.parametrize("dialect", ENCODERS)
def test_vendor_data_goes_back_to_its_vendor_only(recording: Recording, dialect: str) -> None:
    request = _follow_up(recording)
    model = read(decode(recording)).model
    body = _encoded(request, dialect, model)
    turn = request.messages[1]
    thoughts = "".join(part.text for part in turn.parts if isinstance(part, Reasoning))
    for opaque in _opaques(request):
        for text in _strings(opaque.value):
            quoted = json.dumps(text)[1:-1]
            if opaque.vendor == dialect:
                assert quoted in body
            elif text not in thoughts:  # readable thinking may go to anyone
                assert quoted not in body


def test_there_is_vendor_data_of_every_dialect() -> None:
    requests = [_follow_up(cast("Recording", param.values[0])) for param in CALLED]
    assert {o.vendor for request in requests for o in _opaques(request)} == set(ENCODERS)
