"""One reply as a chat client finds it on the wire: text, thinking, and what it may stumble over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import httpx

from models.chat import Json

Trouble: TypeAlias = Literal[
    "foreign event",
    "no finish",
    "not a stream",
    "error object",
    "dropped",
    "silence",
    "no id",
    "429",
    "401",
    "5xx",
    "4xx",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came for one request; `cut` says what kept the rest from coming."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    streamed: bool  # what was asked for
    cut: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text or of thinking, in the order it comes."""

    kind: Literal["text", "thinking"]
    text: str


async def fetch(http: httpx.AsyncClient, url: str, body: Json, patience: float) -> Reply:
    """Ask once. `patience`: seconds without a byte after which the client hangs up."""
    status, headers, read, cut = 0, httpx.Headers(), bytearray(), None
    limits = httpx.Timeout(60, read=patience)
    try:
        async with http.stream("POST", url, json=body, timeout=limits) as response:
            status, headers = response.status_code, response.headers
            async for data in response.aiter_bytes():
                read += data
    except httpx.ReadTimeout:
        cut = "silence"
    except httpx.TransportError:
        cut = "dropped"
    return Reply(
        status=status, headers=headers, body=bytes(read), streamed=bool(body["stream"]), cut=cut
    )


def pieces(reply: Reply) -> Iterator[Piece | Trouble]:
    """All that the reply holds, in order. A client that bears a trouble reads on behind it."""
    if reply.status >= 400:
        yield _of_status(reply.status)
    elif not reply.streamed:
        yield from _whole(reply)
    elif not reply.headers.get("content-type", "").startswith("text/event-stream") and reply.body:
        yield "not a stream"
    else:
        yield from _events(reply)


def _of_status(status: int) -> Trouble:
    if status in (401, 429):
        return "401" if status == 401 else "429"
    return "5xx" if status >= 500 else "4xx"


def _whole(reply: Reply) -> Iterator[Piece | Trouble]:
    try:
        value: Json = json.loads(reply.body)
    except ValueError:
        yield reply.cut or "dropped"
    else:
        yield from _chunk(value, "message")
        if not _finished(value):
            yield "no finish"


def _events(reply: Reply) -> Iterator[Piece | Trouble]:
    finished = False
    for block in reply.body.replace(b"\r\n", b"\n").decode("utf-8", "replace").split("\n\n"):
        fields = [line.partition(":") for line in block.split("\n") if not line.startswith(":")]
        if any(name == "event" for name, _, _ in fields):
            yield "foreign event"
        data = "".join(value.strip() for name, _, value in fields if name == "data")
        if not data.startswith("{"):  # `[DONE]`, a comment, nothing
            continue
        try:
            value: Json = json.loads(data)
        except ValueError:  # the connection broke inside
            continue
        finished = finished or _finished(value) or "error" in value
        yield from _chunk(value, "delta")
    if reply.cut is not None:
        yield reply.cut
    elif not finished:
        yield "no finish"


def _chunk(value: Json, field: Literal["delta", "message"]) -> Iterator[Piece | Trouble]:
    if "error" in value:
        yield "error object"
    elif not value.get("id") and "choices" in value:
        yield "no id"
    for choice in value.get("choices") or ():  # whatever its index: clients mix them
        said: Json = choice.get(field) or {}
        thought = said.get("reasoning_content") or said.get("reasoning")
        if thought:
            yield Piece("thinking", thought)
        if said.get("content"):
            yield Piece("text", said["content"])


def _finished(value: Json) -> bool:
    return any(choice.get("finish_reason") for choice in value.get("choices") or ())
