"""A client that leaves costs nothing more: the events are closed, not left to run out."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from models.stream import TextDelta
from tests.serving.fake_router import Batch, FakeRouter, said
from tests.serving.live import live_edge

pytestmark = pytest.mark.anyio


class RawClient:
    """A socket that can be dropped at any moment."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *, stream: bool) -> None:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        raw = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        self._writer.write(head.encode() + raw)
        await self._writer.drain()

    async def read_until(self, mark: bytes) -> None:
        await self._reader.readuntil(mark)

    def leave(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def raw_client(url: str) -> AsyncGenerator[RawClient, None]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        client.leave()


async def leave(router: FakeRouter, client: RawClient) -> None:
    """Fails when the events are not closed: nothing here would end them by itself."""
    client.leave()
    await asyncio.wait_for(router.closed.wait(), 5)


async def test_before_the_first_token() -> None:
    router = FakeRouter(said("Hi"), hold_at=0)
    async with live_edge(router) as url, raw_client(url) as client:
        await client.send(stream=True)
        await router.holding.wait()
        await leave(router, client)


async def test_in_mid_stream() -> None:
    router = FakeRouter(said("Hello ", "you"), hold_at=1)
    async with live_edge(router) as url, raw_client(url) as client:
        await client.send(stream=True)
        await client.read_until(b"Hello")
        await router.holding.wait()
        await leave(router, client)


async def test_while_waiting_for_a_whole_reply() -> None:
    router = FakeRouter(said("Hello ", "you"), hold_at=1)
    async with live_edge(router) as url, raw_client(url) as client:
        await client.send(stream=False)
        await router.holding.wait()
        await leave(router, client)


async def test_a_client_that_stopped_reading() -> None:
    flood: list[Batch] = [[TextDelta("x" * 100_000)] for _ in range(500)]
    router = FakeRouter([*flood, *said()])
    async with live_edge(router) as url, raw_client(url) as client:
        await client.send(stream=True)
        await client.read_until(b"xxx")
        await leave(router, client)


async def test_a_client_that_stays_gets_everything() -> None:
    router = FakeRouter(said("Hello ", "you"))
    async with live_edge(router) as url, raw_client(url) as client:
        await client.send(stream=True)
        await client.read_until(b"data: [DONE]\n\n")
    assert router.closed.is_set()
