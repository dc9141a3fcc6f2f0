"""What hosts do to a stream that is whole: borne by every client, or by none.

Each oddity is one change to the events of a reply in any dialect; where a dialect has no place for
it, the reply stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Literal, TypeAlias

from models.chat import Json

OddityKind: TypeAlias = Literal[
    # something comes in between, from `at` on
    "foreign_event",  # an event of a name that the dialect does not know
    "comments",  # a comment line before each event
    "unknown_keys",  # keys that the dialect does not know, in each event
    "second_choice",  # another answer beside the first, in the same chunks and in its own
    # the whole reply is worded otherwise
    "think_tags",  # it thinks aloud in the text, between tags
    "crlf",  # lines end with CR LF
    "no_space",  # `data:` without the space
    "no_usage",
    "usage_null",
    "no_role",
    "no_id",
    "no_done",  # no terminator
    "no_finish",  # a terminator, but no finish reason
    "no_end",  # neither, and the body ends well
]

_FOREIGN = b'event: gateway.status\ndata: {"status":"queued","position":3}\n\n'
_THOUGHTS = ("<th", "ink>\nThe user asks", " a question. </b></thi", "nk>\n\n")
_DATA = b"data: "
_Change: TypeAlias = Callable[[Json], Iterable[Json]]  # one event's JSON to what comes for it


def odd(kind: OddityKind, before: tuple[bytes, ...], after: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The events with this oddity, which begins between `before` and `after`."""
    match kind:
        case "foreign_event":
            return (*before, _FOREIGN, *after)
        case "comments":
            return (*before, *(b": keep-alive\n\n" + event for event in after))
        case "unknown_keys" | "second_choice":
            return (*before, *_changed(after, _INSIDE[kind]))
        case "crlf":
            return tuple(e.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for e in before + after)
        case "no_space":
            return tuple(event.replace(_DATA, b"data:", 1) for event in before + after)
        case "think_tags":
            return _thinking_aloud(before + after)
        case "no_done":
            return tuple(event for event in before + after if not _is_terminator(event))
        case "no_end":
            rest = (event for event in before + after if not _is_terminator(event))
            return tuple(_changed(rest, _without_finish))
        case "no_finish":
            return tuple(_changed(before + after, _without_finish))
        case "no_usage" | "usage_null" | "no_role" | "no_id":
            return tuple(_changed(before + after, _INSIDE[kind]))


def _changed(events: Iterable[bytes], change: _Change) -> Iterator[bytes]:
    """Events that hold a JSON object, changed; the others as they are."""
    for event in events:
        head, found, data = event.partition(_DATA)
        if found and data.startswith(b"{"):
            for value in change(json.loads(data)):
                yield head + _DATA + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
        else:
            yield event


def _with_unknown_keys(event: Json) -> Iterator[Json]:
    yield {"x_gateway": {"region": "eu", "notes": [1, None]}, **event, "zone": "a"}


def _with_second_choice(event: Json) -> Iterator[Json]:
    """Another answer first in the same chunk, and once more in a chunk of its own."""
    for key, other in (("choices", _OTHER_CHOICE), ("candidates", _OTHER_CANDIDATE)):
        if event.get(key):
            yield {**event, key: [other, *event[key]]}
            yield {**event, key: [other]}
            return
    yield event


_OTHER_CHOICE: Json = {"index": 1, "delta": {"content": "OTHER"}, "finish_reason": None}
_OTHER_CANDIDATE: Json = {"index": 1, "content": {"role": "model", "parts": [{"text": "OTHER"}]}}


def _without_finish(event: Json) -> Iterator[Json]:
    """OpenAI's and Gemini's word for the end removed; Anthropic's events of it left out."""
    if event.get("type") in ("message_delta", "message_stop"):
        return
    for choice in event.get("choices") or ():
        choice["finish_reason"] = None
    for candidate in event.get("candidates") or ():
        candidate.pop("finishReason", None)
    yield event


def _without_usage(event: Json) -> Iterator[Json]:
    event.pop("usage", None)
    event.pop("usageMetadata", None)
    if event.get("choices") != []:
        yield event


def _with_null_usage(event: Json) -> Iterator[Json]:
    if "choices" in event:
        event["usage"] = None
    yield event


def _without_role(event: Json) -> Iterator[Json]:
    for choice in event.get("choices") or ():
        choice["delta"].pop("role", None)
    for candidate in event.get("candidates") or ():
        candidate.get("content", {}).pop("role", None)
    yield event


def _without_id(event: Json) -> Iterator[Json]:
    for field in ("id", "responseId", "created", "object"):
        event.pop(field, None)
    event.get("message", {}).pop("id", None)
    yield event


_INSIDE: dict[OddityKind, _Change] = {
    "unknown_keys": _with_unknown_keys,
    "second_choice": _with_second_choice,
    "no_usage": _without_usage,
    "usage_null": _with_null_usage,
    "no_role": _without_role,
    "no_id": _without_id,
}


def _thinking_aloud(events: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """OpenAI's dialect: the first event with text comes after the thinking, which looks like it."""
    for place, event in enumerate(events):
        if _has_text(event):
            thoughts = (_changed((event,), _saying(text)) for text in _THOUGHTS)
            return (*events[:place], *chain.from_iterable(thoughts), *events[place:])
    return events


def _has_text(event: bytes) -> bool:
    data = event.removeprefix(_DATA)
    choices = json.loads(data).get("choices") if data.startswith(b"{") else None
    return bool(choices and choices[0]["delta"].get("content"))


def _saying(text: str) -> _Change:
    def change(event: Json) -> Iterator[Json]:
        event["choices"][0]["delta"]["content"] = text
        yield event

    return change


def _is_terminator(event: bytes) -> bool:
    return event.startswith(b"data: [DONE]")
