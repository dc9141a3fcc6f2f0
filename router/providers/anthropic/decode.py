"""Reads Anthropic's replies: the event stream, the whole message, the error body.

A stream is one `message_start`, blocks with an index (start, deltas, stop), `message_delta` with
the reason and the usage, `message_stop`. Unknown events, blocks and deltas are skipped, as the API's
versioning policy asks; so are the blocks of tools that run at Anthropic (web search, code execution):
they are nothing that the client could answer. Nothing but `message_stop` ends a stream well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from models.chat import Json, Opaque
from models.errors import BadReply, ProviderError, StreamBroken
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageReported,
)
from router.providers.anthropic import wire
from router.providers.arguments import UNREADABLE, is_object
from router.providers.failures import classify
from router.providers.sse import ServerSentEvent, SseReader

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}  # everything else (end_turn, stop_sequence, pause_turn, what is to come) is a stop
_MAY_CUT_A_CALL = ("length", "content_filter")

_KNOWN_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)


class AnthropicDecoder:
    """Reads one streamed reply."""

    def __init__(self) -> None:
        """Expect `message_start`."""
        self._sse = SseReader()
        self._reply = _Reply()
        self._over = False

    @property
    def answered(self) -> bool:
        """True once `message_stop` came: without it a stream is broken."""
        return self._over

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events that these bytes complete, or that they came: a tool at Anthropic runs unseen."""
        if self._over or not data:
            return []
        try:
            arrived = self._sse.feed(data)
        except BadReply as error:
            return self._end(Failed(error))
        return self._read(arrived) or [Alive()]

    def close(self) -> list[StreamEvent]:
        """The connection ended: fine after `message_stop` only, its blank line may be missing."""
        if self._over:
            return []
        rest = self._sse.close()
        events = self._read(rest) if all(_is_json(event.data) for event in rest) else []
        if not self._over:
            error = StreamBroken("Anthropic's stream ended without message_stop.")
            events += self._end(Failed(error))
        return events

    def _end(self, last: StreamEvent) -> list[StreamEvent]:
        self._over = True
        return [last]

    def _read(self, arrived: Sequence[ServerSentEvent]) -> list[StreamEvent]:
        reply = self._reply
        events: list[StreamEvent] = []
        reply.out = events
        try:
            for event in arrived:
                reply.take(event.data)
                if reply.finished:
                    self._over = True
                    break
        except ProviderError as error:
            events += self._end(Failed(error))
        return events


def decode_body(body: bytes) -> list[StreamEvent]:
    """A whole reply as the events that a stream would have given."""
    reply = _Reply()
    try:
        try:
            message = wire.read_message(body)
        except UNREADABLE as error:
            raise BadReply(f"Anthropic's reply cannot be read: {error}") from error
        if message.error:
            raise _error(200, message.error, {})
        if message.content is None:
            raise BadReply("Anthropic's reply is not a message.")
        reply.start(message)
        for index, block in enumerate(message.content):
            reply.open(index, block)
            reply.shut(index)
        reply.note(message.stop_reason, None)
        reply.finish()
    except ProviderError as error:
        reply.out.append(Failed(error))
    return reply.out


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error of a non-200 reply, whose body may come from a proxy and be anything."""
    try:
        error = wire.read_error(body).error
    except UNREADABLE:
        error = None
    if error is None:
        text = body.decode("utf-8", "replace").strip()
        error = wire.Error(message="" if text.startswith("<") else text)
    return _error(status, error, headers)


def _error(status: int, error: wire.Error, headers: Mapping[str, str]) -> ProviderError:
    return classify(
        status,
        code=(error.details and error.details.error_code) or "",
        kind=error.type or "",
        message=error.message or "",
        headers=headers,
    )


def _read_event(data: bytes) -> wire.Event:
    try:
        return wire.read_event(data)
    except UNREADABLE as error:
        if _is_json(data) and wire.read_kind(data).type not in _KNOWN_EVENTS:
            return wire.Event()  # not known yet, so its fields may be anything
        raise BadReply(f"An event of Anthropic's stream cannot be read: {error}") from error


def _is_json(data: bytes) -> bool:
    try:
        wire.read_kind(data)
    except UNREADABLE:
        return False
    return True


class _Call:
    """A tool call that is being written: its pieces, or the input that came with its start."""

    __slots__ = ("given", "index", "pieces")

    def __init__(self, index: int, given: Json) -> None:
        self.index = index
        self.given = given
        self.pieces: list[str] = []


class _Reply:
    """Turns wire events into ours and remembers what is open. Raises what breaks the reply."""

    def __init__(self) -> None:
        self.out: list[StreamEvent] = []
        self.finished = False
        self._started = False
        self._calls: dict[int, _Call] = {}  # open ones, by block index
        self._call_count = 0
        self._counts = wire.Counts()
        self._stop_reason = ""

    def take(self, data: bytes) -> None:
        """One event of the stream."""
        event = _read_event(data)
        match event.type:
            case "content_block_delta":
                if event.delta is not None:
                    self._grow(event.index, event.delta)
            case "content_block_start":
                self.open(event.index, event.content_block or wire.Block())
            case "content_block_stop":
                self.shut(event.index)
            case "ping":
                self.out.append(Alive())
            case "message_start":
                self.start(event.message or wire.Message())
            case "message_delta":
                self.note(event.delta and event.delta.stop_reason, event.usage)
            case "message_stop":
                self.finish()
            case "error":
                raise _error(200, event.error or wire.Error(), {})
            case _:
                pass

    def start(self, message: wire.Message) -> None:
        """The reply has a name and first counters."""
        if self._started:  # seen behind proxies; going on would glue two tool inputs together
            raise BadReply("Anthropic's stream began a second message.")
        self._started = True
        self.out.append(Started(message.id, message.model))
        self.note(None, message.usage)

    def open(self, index: int, block: wire.Block) -> None:
        """A block begins, with whatever stands in it already."""
        if index in self._calls:
            raise BadReply("Anthropic's stream began a block inside a tool call.")
        match block.type:
            case "text":
                if block.text:
                    self.out.append(TextDelta(block.text))
            case "thinking":
                self._think(block.thinking, block.signature)
            case "redacted_thinking":
                self.out.append(ReasoningDelta("", _opaque("redacted_thinking", block.data)))
            case "tool_use":
                call = _Call(self._call_count, block.input)
                self._call_count += 1
                self._calls[index] = call
                started = ToolCallStarted(call.index, block.id or "", block.name or "")
                self.out.append(started)
            case _:
                pass

    def _grow(self, index: int, delta: wire.Delta) -> None:
        if delta.type == "text_delta":
            if delta.text:
                self.out.append(TextDelta(delta.text))
        elif delta.type == "input_json_delta":
            # A block that is not a client's tool call is a tool at Anthropic being called.
            if delta.partial_json and (call := self._calls.get(index)):
                call.pieces.append(delta.partial_json)
                self.out.append(ToolArgsDelta(call.index, delta.partial_json))
        else:
            self._think(delta.thinking, delta.signature)

    def _think(self, text: str | None, signature: str | None) -> None:
        if text:
            self.out.append(ReasoningDelta(text))
        if signature:
            self.out.append(ReasoningDelta("", _opaque("signature", signature)))

    def shut(self, index: int) -> None:
        """A block is over. A call whose input is no JSON object stays open: it was cut off."""
        call = self._calls.get(index)
        if call is None:
            return
        if not call.pieces:
            whole = msgspec.json.encode(call.given or {}).decode()
            call.pieces.append(whole)
            self.out.append(ToolArgsDelta(call.index, whole))
        if is_object("".join(call.pieces)):
            del self._calls[index]
            self.out.append(ToolCallEnded(call.index))

    def note(self, stop_reason: str | None, counts: wire.Counts | None) -> None:
        """The reason for the end, and newer counters."""
        self._stop_reason = stop_reason or self._stop_reason
        if counts is not None:
            self._counts.update(counts)
            self.out.append(UsageReported(self._counts.as_usage()))

    def finish(self) -> None:
        """The terminator came."""
        if not self._started:
            raise BadReply("Anthropic's stream ended before it began.")
        reason = _FINISH.get(self._stop_reason, "stop")
        if self._calls and reason not in _MAY_CUT_A_CALL:
            raise BadReply("Anthropic's reply ended inside a tool call.")
        self.finished = True
        self.out.append(Finished(reason, self._stop_reason))


def _opaque(kind: str, value: Json) -> Opaque:
    return Opaque(vendor="anthropic", kind=kind, value=value)
