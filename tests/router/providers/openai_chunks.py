"""Chunks of a chat/completions stream, written by hand, and what reading them gives."""

from __future__ import annotations

import json
from typing import Any

from models.errors import HeadstartError
from models.stream import Alive, Failed, Started, StreamEvent, Usage, UsageReported
from router.providers.openai import OpenAIFormat

FORMAT = OpenAIFormat()
DONE = b"data: [DONE]\n\n"
STARTED = Started("c1", "m")


def chunk(delta: Any = None, *, finish: str | None = None, **fields: Any) -> bytes:
    choice: dict[str, Any] = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return data({"id": "c1", "model": "m", "choices": [choice], **fields})


def data(value: Any, event: str = "") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def read(*pieces: bytes) -> list[StreamEvent]:
    """All events of a stream that comes in these pieces, without the signs of life."""
    decoder = FORMAT.decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [event for event in events + decoder.close() if event != Alive()]


def failure(events: list[StreamEvent]) -> HeadstartError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


def call(index: int | None, id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    piece: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    if index is not None:
        piece["index"] = index
    if id is not None:
        piece["id"] = id
    return piece


def calls(*pieces: dict[str, Any], finish: str | None = None) -> bytes:
    return chunk({"tool_calls": list(pieces)}, finish=finish)


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
REPORTED = UsageReported(Usage(input=7, output=3))
