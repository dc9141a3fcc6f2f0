import asyncio
import socket
import time
from collections.abc import Iterable
from contextlib import suppress

import httptools
import httpx
import pytest
from typing_extensions import override

from tests.fakes.wire import LOOPBACK, Drop, Hold, Received, Send, Step, WireServer, closed_port

pytestmark = pytest.mark.anyio

HELLO = Send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
HALF = Send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")


class Steps(WireServer):
    """Answers every request with the same steps."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self._steps = steps

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        return self._steps


async def ask(server: WireServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection with one request on it."""
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    writer.write(b"POST /v1/x?a=1 HTTP/1.1\r\nHost: x\r\nX-Key: k\r\nContent-Length: 2\r\n\r\n{}")
    return reader, writer


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_reset_is_a_rst_and_comes_after_the_bytes_before_it() -> None:
    loop = asyncio.get_running_loop()
    async with Steps(HALF, Drop(reset=True)) as server:
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, (LOOPBACK, server.port))
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\n\r\n")
            received = await loop.sock_recv(client, len(HALF.data))
            while len(received) < len(HALF.data):
                received += await loop.sock_recv(client, len(HALF.data))
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(client, 1)
        assert received == HALF.data
        assert server.connections[0].closed_by == "server"


async def test_a_close_is_a_plain_end() -> None:
    async with Steps(HALF, Drop()) as server:
        reader, writer = await ask(server)
        assert await reader.read() == HALF.data
        await leave(writer)


async def test_a_closed_port_refuses() -> None:
    with closed_port() as url:
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(url)


async def test_open_connections_are_counted_until_the_client_leaves() -> None:
    async with Steps(HALF, Hold()) as server:
        writers = [(await ask(server))[1] for _ in range(3)]
        await server.received(3)
        assert (server.open_connections, server.unanswered) == (3, 3)

        left = time.monotonic()
        await leave(writers[0])
        await server.until(lambda: server.open_connections == 2)
        gone = server.connections[0]
        assert gone.closed is not None
        assert gone.closed - left < 0.1
        assert gone.closed_by == "client"
        assert server.unanswered == 2

        for writer in writers[1:]:
            await leave(writer)
        assert await server.closed() >= gone.closed
        assert server.unanswered == 0


async def test_a_client_that_resets_is_seen_to_leave() -> None:
    async with Steps(HALF, Hold()) as server:
        _, writer = await ask(server)
        await server.received()
        writer.transport.abort()
        await server.closed()
        assert server.connections[0].closed_by == "client"


async def test_requests_are_logged_as_they_came() -> None:
    async with Steps(HELLO) as server, httpx.AsyncClient() as client:
        before = time.monotonic()
        await client.post(f"{server.origin}/v1/chat?alt=sse", json={"n": 1}, headers={"X-A": "b"})
        await client.get(f"{server.origin}/health")
        first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/v1/chat", {"alt": "sse"})
    assert first.headers["x-a"] == "b"
    assert first.json == {"n": 1}
    assert second.json == {}
    assert first.answered is not None
    assert before <= first.arrived <= first.answered <= second.arrived
    assert first.connection is second.connection, "the client kept its connection"
    assert server.connections[0].requests == [first, second]


async def test_two_requests_sent_at_once_are_answered_in_order() -> None:
    async with Steps(HELLO) as server:
        reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
        writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert await reader.read() == HELLO.data * 2
        assert [request.path for request in server.requests] == ["/1", "/2"]
        await leave(writer)


async def test_stopping_ends_what_is_held() -> None:
    async with Steps(HALF, Hold()) as server:
        reader, writer = await ask(server)
        await server.received()
    with suppress(ConnectionResetError):
        assert await reader.read() == HALF.data
    assert server.connections[0].closed_by == "server"
    await leave(writer)


async def test_what_is_not_http_fails_the_test_that_sent_it() -> None:
    server = Steps(HELLO)
    await server.__aenter__()
    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    with suppress(ConnectionResetError):
        await reader.read()
    await leave(writer)
    with pytest.raises(httptools.HttpParserError):
        await server.__aexit__(None, None, None)


async def test_waiting_for_what_never_comes_ends() -> None:
    async with Steps(HELLO) as server:
        with pytest.raises(TimeoutError):
            await server.received(within=0.01)
