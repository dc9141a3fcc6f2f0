"""What a dialect must provide: parse a request, render an answer, render an error."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from models.chat import ChatRequest
from models.errors import HeadstartError
from models.stream import ReasoningDelta, StreamEvent, TextDelta, ToolArgsDelta
from router.outcome import Outcome


class StreamRenderer(Protocol):
    """Turns the events of one answer into the bytes of a streamed reply, in order."""

    def render(self, batch: Sequence[StreamEvent]) -> bytes:
        """The bytes for these events; empty when there is nothing to show."""
        ...

    def end(self) -> bytes:
        """The finish, the usage and our summary: called once, when the outcome is final."""
        ...

    def fail(self, error: HeadstartError) -> bytes:
        """The end of a reply whose headers went out before it failed."""
        ...


class BodyRenderer(Protocol):
    """Gathers the events of one answer and gives the whole reply at the end."""

    def add(self, batch: Sequence[StreamEvent]) -> None:
        """Take these events in."""
        ...

    def end(self) -> bytes:
        """The reply: called once, when the outcome is final."""
        ...


class ParsedRequest(Protocol):
    """A request, together with how its reply must look."""

    @property
    def request(self) -> ChatRequest:
        """The request in neutral form."""
        ...

    def stream_renderer(self, outcome: Outcome) -> StreamRenderer:
        """A renderer for a streamed reply to this request."""
        ...

    def body_renderer(self, outcome: Outcome) -> BodyRenderer:
        """A renderer for a whole reply to this request."""
        ...


class Dialect(Protocol):
    """One way in which clients speak to us."""

    @property
    def name(self) -> str:
        """Its name in outcomes and metrics."""
        ...

    def parse(self, body: bytes) -> ParsedRequest:
        """Read a body; raises `RequestError` with a sentence that names the field."""
        ...

    def error(self, error: HeadstartError) -> bytes:
        """The body of an error reply."""
        ...


def coalesce(batch: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
    """The same events with neighbouring pieces of one text joined: one chunk each on the wire."""
    if len(batch) < 2:
        return batch
    return [_joined(list(run)) for _, run in groupby(batch, _run_key)]


def _run_key(event: StreamEvent) -> object:
    """Equal for neighbours that may be joined, unique for everything else."""
    match event:
        case TextDelta():
            return TextDelta
        case ReasoningDelta(opaque=None):
            return ReasoningDelta
        case ToolArgsDelta(index=index):
            return index
        case _:
            return object()


def _joined(run: Sequence[StreamEvent]) -> StreamEvent:
    match run[0]:
        case TextDelta():
            pieces = [event for event in run if isinstance(event, TextDelta)]
            logprobs = tuple(p for piece in pieces for p in piece.logprobs)
            return TextDelta("".join(piece.text for piece in pieces), logprobs)
        case ReasoningDelta(opaque=None):
            return ReasoningDelta("".join(e.text for e in run if isinstance(e, ReasoningDelta)))
        case ToolArgsDelta(index=index):
            text = "".join(e.text for e in run if isinstance(e, ToolArgsDelta))
            return ToolArgsDelta(index, text)
        case single:
            return single
