"""A strict reader of OpenAI streams: it refuses what any client could stumble over."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """A tool call, put together."""

    id: str
    name: str
    arguments: str = ""
    extra_content: Any = None


@dataclass
class Read:
    """What a stream said."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    details: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[Call] = field(default_factory=list[Call])
    logprobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    finish: str | None = None
    usage: dict[str, Any] | None = None
    headstart: dict[str, Any] | None = None
    chunks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def read_stream(raw: bytes) -> Read:
    """Read a whole stream, or fail an assertion."""
    events = raw.decode().split("\n\n")
    assert events.pop() == "", "the stream ends with a blank line"
    data = [event for event in events if not event.startswith(":")]
    assert data.pop() == "data: [DONE]"
    read = Read()
    for event in data:
        assert event.startswith("data: ")
        assert "\n" not in event
        _take(json.loads(event.removeprefix("data: ")), read)
    assert read.finish is not None, "no finish"
    identity = {(c["id"], c["created"], c["model"], c["object"]) for c in read.chunks}
    assert len(identity) == 1
    assert all("headstart" not in chunk for chunk in read.chunks[:-1])
    return read


def _take(chunk: dict[str, Any], read: Read) -> None:
    first = not read.chunks
    read.chunks.append(chunk)
    read.headstart = chunk.get("headstart")
    assert read.usage is None, "something follows the usage"
    read.usage = chunk.get("usage")
    if not chunk["choices"]:
        assert read.finish is not None
        assert read.usage is not None
        return
    [choice] = chunk["choices"]
    assert read.finish is None, "something follows the finish"
    assert choice["index"] == 0
    delta = choice["delta"]
    assert (delta.get("role") == "assistant") is first
    read.text += delta.get("content") or ""
    read.reasoning += delta.get("reasoning_content") or ""
    read.refusal += delta.get("refusal") or ""
    read.details += delta.get("reasoning_details") or []
    items: list[Any] = delta.get("tool_calls") or []
    for item in items:
        _take_call(item, read)
    if choice["logprobs"]:
        read.logprobs += choice["logprobs"]["content"]
    read.finish = choice["finish_reason"]


def _take_call(item: Any, read: Read) -> None:
    if "id" in item:
        assert item["index"] == len(read.calls)
        assert item["type"] == "function"
        name = item["function"]["name"]
        read.calls.append(Call(item["id"], name, extra_content=item.get("extra_content")))
    call = read.calls[int(item["index"])]
    call.arguments += str(item["function"]["arguments"])
