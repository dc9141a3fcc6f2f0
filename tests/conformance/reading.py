"""What a list of events says, in the normal form of the recordings' index, and the laws it keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.chat import Opaque
from models.errors import HeadstartError
from models.stream import (
    Alive,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Replaced,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.providers.anthropic import AnthropicFormat
from router.providers.base import WireFormat
from router.providers.gemini import GeminiFormat
from router.providers.openai import OpenAIFormat
from router.providers.responses import ResponsesFormat
from tests.fakes.recordings import Recording

FORMATS: dict[str, WireFormat] = {
    "anthropic": AnthropicFormat(),
    "gemini": GeminiFormat(),
    "openai": OpenAIFormat(),
    "responses": ResponsesFormat(),
}


@dataclass(slots=True)
class Call:
    """One tool call. `whole` once it ended."""

    id: str
    name: str
    arguments: str = ""
    whole: bool = False


@dataclass(slots=True)
class Reading:
    """Everything that one reply said."""

    id: str = ""
    model: str = ""
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    opaque: list[Opaque] = field(default_factory=list[Opaque])
    usage: Usage | None = None
    finish: str = ""
    error: HeadstartError | None = None


def is_stream(recording: Recording) -> bool:
    """True for a reply that a decoder reads; others are whole bodies."""
    return recording.kind.startswith("stream")


def decode(recording: Recording, body: bytes | None = None) -> list[StreamEvent]:
    """The events of this reply, or of another body that came in its place."""
    wire = FORMATS[recording.dialect]
    body = recording.body if body is None else body
    if recording.status >= 400:
        return [Failed(wire.decode_error(recording.status, recording.headers, body))]
    if not is_stream(recording):
        return wire.decode_body(body)
    return feed(wire, body)


def feed(wire: WireFormat, *pieces: bytes) -> list[StreamEvent]:
    """Everything that one stream gives, its bytes arriving in these pieces."""
    decoder = wire.decoder()
    events: list[StreamEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def read(events: Sequence[StreamEvent]) -> Reading:
    """Add the events up, and fail on the first that breaks a law of the event language."""
    assert events, "a reply without a last event"
    assert isinstance(events[-1], Finished | Failed), f"ended with {events[-1]}"
    reading = Reading()
    for number, event in enumerate(events):
        if isinstance(event, ToolCallStarted | ToolArgsDelta | ToolCallEnded):
            _tool_event(event, reading)
        else:
            _plain_event(event, reading)
        assert not isinstance(event, Finished | Failed) or number == len(events) - 1
    if reading.finish == "tool_calls":
        assert reading.calls, "asked for a tool without calling one"
    if reading.finish in ("stop", "tool_calls"):
        assert all(call.whole for call in reading.calls), "finished inside a call"
    return reading


def _plain_event(event: StreamEvent, reading: Reading) -> None:
    match event:
        case Started():
            assert not reading.model, "started twice"
            reading.id, reading.model = event.id, event.model
        case TextDelta():
            assert event.text, "an empty piece of text"
            reading.text += event.text
        case ReasoningDelta():
            assert event.text or event.opaque, "an empty piece of thinking"
            reading.reasoning += event.text
            reading.opaque += [event.opaque] if event.opaque else []
        case RefusalDelta():
            reading.refusal += event.text
        case UsageReported():
            reading.usage = event.usage
        case Finished():
            reading.finish = event.reason
        case Failed():
            reading.error = event.error
        case Alive() | ToolCallStarted() | ToolArgsDelta() | ToolCallEnded():
            pass
        case Replaced():
            raise AssertionError("only the relay replaces text")


def _tool_event(event: ToolCallStarted | ToolArgsDelta | ToolCallEnded, reading: Reading) -> None:
    calls = reading.calls
    if isinstance(event, ToolCallStarted):
        assert event.index == len(calls), "calls are counted from 0"
        assert event.name
        calls.append(Call(event.id, event.name))
        reading.opaque += event.opaque
        return
    call = calls[event.index]
    assert not call.whole, "a call went on after its end"
    if isinstance(event, ToolArgsDelta):
        call.arguments += event.text
    else:
        assert isinstance(json.loads(call.arguments), dict), "ended before its arguments were whole"
        call.whole = True
