"""A raw HTTP client that notes when each read came: light enough not to be what is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
from typing_extensions import override

_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Answer:
    """One streamed reply: its reads, with monotonic seconds since the request was sent."""

    sent: float = 0.0
    reads: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])

    def events(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """The JSON of each event, and when its last byte came; `[DONE]` is left out."""
        reply = _Reply()
        parser = httptools.HttpResponseParser(reply)
        for seconds, data in self.reads:
            parser.feed_data(data)
            *events, reply.body = reply.body.split(b"\n\n")
            for event in events:
                payload = event.partition(b"data: ")[2]
                if payload.startswith(b"{"):
                    yield seconds, json.loads(payload)

    def header(self, name: str) -> str:
        """One header of the reply, "" where it is missing."""
        reply = _Reply()
        httptools.HttpResponseParser(reply).feed_data(b"".join(data for _, data in self.reads))
        return reply.headers.get(name, "")

    def text(self) -> str:
        """The whole visible answer."""
        return "".join(text for _, text in self.deltas())

    def deltas(self) -> Iterator[tuple[float, str]]:
        """The visible pieces, and when each came."""
        for seconds, event in self.events():
            for choice in event.get("choices", []):
                if text := choice.get("delta", {}).get("content"):
                    yield seconds, text


class Client(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._answer = Answer()
        self._done: asyncio.Future[Answer] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        """Note the read; the last HTTP chunk completes the answer."""
        self._answer.reads.append((time.monotonic() - self._answer.sent, data))
        if self._done is None or self._done.done():
            return
        if not self._answer.reads[0][1].startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(data.decode("utf-8", "replace")))
        elif data.endswith(_LAST_CHUNK):
            self._done.set_result(self._answer)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for an answer does not get it any more."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(f"the answer broke off: {exc or 'closed'}"))

    async def ask(self, request: bytes) -> Answer:
        """Send the request and read its reply to the end; raise for anything but a whole 200."""
        self._done = asyncio.get_running_loop().create_future()
        self._answer = Answer(sent=time.monotonic())
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def connect(url: str) -> Client:
    """A client for `http://host:port/...`, or for `unix:/path/of/socket`."""
    loop = asyncio.get_running_loop()
    where = urlsplit(url)
    if where.scheme == "unix":
        _, client = await loop.create_unix_connection(Client, where.path)
    else:
        host, port = where.hostname or "127.0.0.1", where.port or 80
        _, client = await loop.create_connection(Client, host, port)
    return client


def chat_request(url: str, model: str, prompt: str, **options: object) -> bytes:
    """A streamed chat completion as it goes over the wire."""
    where = urlsplit(url)
    prefix = "/v1" if where.scheme == "unix" else where.path.rstrip("/")
    messages = [{"role": "user", "content": prompt}]
    asked = {"model": model, "messages": messages, "stream": True, **options}
    body = json.dumps(asked).encode()
    head = (
        f"POST {prefix}/chat/completions HTTP/1.1\r\nhost: {where.netloc or 'localhost'}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Reply:
    """What httptools found in a reply so far."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body
