"""How a reply reaches the client: its HTTP framing, its pace, and where the connection breaks.

Pure: a reply and a delivery in, the steps for the server out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, repeat
from typing import Literal, TypeAlias

from tests.fakes.wire import Drop, Hold, Pause, Send, Step

# Where one event of a stream ends: a blank line, or the comma line of Gemini's JSON array.
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n,\r?\n")

Cut: TypeAlias = Literal["whole", "events"] | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply's exact content. `events` joined are the body; `streamed` picks chunked framing."""

    status: int
    headers: tuple[tuple[str, str], ...]
    events: tuple[bytes, ...]
    streamed: bool

    @property
    def body(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the bytes come, in seconds.

    cut: the body as one HTTP chunk, one chunk an event, or chunks of so many bytes.
    per_write: HTTP chunks handed to the socket at once.
    pauses: before the second write, the third, ...; `pause` goes on after them. Zero lets other
    connections have their turn, `None` does not even do that.
    """

    header_delay: float = 0.0
    first_byte_delay: float = 0.0
    cut: Cut = "events"
    per_write: int = 1
    pauses: tuple[float, ...] = ()
    pause: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Break:
    """The connection breaks after `at` bytes of the body; `None`: before the status line."""

    how: Literal["reset", "close", "stall"]
    at: int | None = None

    @property
    def step(self) -> Step:
        """What the server does then."""
        return Hold() if self.how == "stall" else Drop(reset=self.how == "reset")


def split_events(body: bytes) -> tuple[bytes, ...]:
    """The body cut after each event; joined again it is the same."""
    ends = [match.end() for match in _EVENT_END.finditer(body)]
    starts = [0, *ends]
    pieces = (body[a:b] for a, b in zip(starts, [*ends, len(body)], strict=True))
    return tuple(piece for piece in pieces if piece)


def steps(reply: Reply, delivery: Delivery, broken: Break | None = None) -> Iterator[Step]:
    """Everything the server does for this reply, in order."""
    if delivery.header_delay:
        yield Pause(delivery.header_delay)
    if broken is not None and broken.at is None:
        yield broken.step
        return
    yield Send(_head(reply))
    if delivery.first_byte_delay:
        yield Pause(delivery.first_byte_delay)
    events = reply.events if broken is None else _until(reply.events, broken.at)
    yield from _paced(_writes(events, reply, delivery), delivery)
    if broken is not None:
        yield broken.step
    elif reply.streamed:
        yield Send(b"0\r\n\r\n")


def _head(reply: Reply) -> bytes:
    framing = (
        ("transfer-encoding", "chunked")
        if reply.streamed
        else ("content-length", str(len(reply.body)))
    )
    phrases = {status.value: status.phrase for status in HTTPStatus}
    lines = [f"HTTP/1.1 {reply.status} {phrases.get(reply.status, 'Provider Specific')}"]
    lines += [f"{name}: {value}" for name, value in (*reply.headers, framing)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _until(events: tuple[bytes, ...], at: int | None) -> tuple[bytes, ...]:
    kept: list[bytes] = []
    left = at or 0
    for event in events:
        kept.append(event[:left])
        left -= len(kept[-1])
    return tuple(event for event in kept if event)


def _writes(events: tuple[bytes, ...], reply: Reply, delivery: Delivery) -> Iterator[bytes]:
    chunks = _chunks(events, delivery.cut)
    framed = [b"%x\r\n%b\r\n" % (len(c), c) if reply.streamed else c for c in chunks]
    for start in range(0, len(framed), delivery.per_write):
        yield b"".join(framed[start : start + delivery.per_write])


def _chunks(events: tuple[bytes, ...], cut: Cut) -> tuple[bytes, ...]:
    if cut == "events":
        return events
    body = b"".join(events)
    size = len(body) or 1 if cut == "whole" else cut
    return tuple(body[start : start + size] for start in range(0, len(body), size))


def _paced(writes: Iterator[bytes], delivery: Delivery) -> Iterator[Step]:
    pauses = chain(delivery.pauses, repeat(delivery.pause))
    for number, data in enumerate(writes):
        if number and (seconds := next(pauses)) is not None:
            yield Pause(seconds)
        yield Send(data)
