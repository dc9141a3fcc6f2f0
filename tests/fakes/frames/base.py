"""What a scripted model says, and the recorded frames it is said in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

from models.chat import Json, ToolCall
from models.stream import FinishReason, Usage
from tests.fakes.delivery import split_events
from tests.fakes.recordings import recording

_ARGUMENT_CHARS = 8  # how much of a call's arguments comes with one event


class Token(NamedTuple):
    """A piece of text as it goes out in one event, with one log-probability per token in it."""

    text: str
    logprobs: tuple[tuple[str, float], ...] = ()


class Frame(NamedTuple):
    """One event's bytes, and how many characters of the visible answer it carries."""

    data: bytes
    chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One reply: reasoning, then text, then tool calls."""

    model: str
    finish: FinishReason
    usage: Usage
    reasoning: tuple[str, ...] = ()
    text: tuple[Token, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    include_usage: bool = True
    logprobs: bool = False

    @property
    def whole_text(self) -> str:
        """The visible answer."""
        return "".join(token.text for token in self.text)


class Frames(Protocol):
    """How one provider words a reply."""

    def stream(self, said: Said) -> Iterator[Frame]:
        """The events of a streamed reply."""
        ...

    def body(self, said: Said) -> bytes:
        """A whole reply."""
        ...


@cache
def recorded_events(name: str) -> tuple[Json, ...]:
    """The JSON of each `data:` line of a recorded stream; `[DONE]` is left out."""
    events = (event.strip().rpartition(b"data: ")[2] for event in split_events(_body(name)))
    return tuple(json.loads(event) for event in events if event.startswith(b"{"))


@cache
def recorded_body(name: str) -> Json:
    """The JSON of a recorded whole reply."""
    return json.loads(_body(name))


def filled(template: Json, values: Mapping[str, Json]) -> Json:
    """A copy of the template with the values at these dotted paths; numbers index lists."""
    copy = deepcopy(template)
    for path, value in values.items():
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place = copy
        for key in parents:
            place = place[key]
        place[last] = value
    return copy


def argument_pieces(call: ToolCall) -> list[str]:
    """A call's arguments in the pieces they stream in."""
    text = call.arguments
    return [text[i : i + _ARGUMENT_CHARS] for i in range(0, len(text), _ARGUMENT_CHARS)]


def _body(name: str) -> bytes:
    return recording(name).body
