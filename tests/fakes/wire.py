"""A loopback HTTP/1.1 server that writes exactly the bytes, and does exactly the damage, it is told.

Subclasses say what to answer as a list of steps; this file carries the steps out and keeps a log of
requests and connections that tests assert on.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import httptools
from typing_extensions import override

from models.chat import Json

LOOPBACK = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


@dataclass(frozen=True, slots=True)
class Send:
    """Hand these bytes to the socket in one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; zero seconds lets every other connection have its turn."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing more until the client leaves."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection now, with a FIN, or with a RST."""

    reset: bool = False


Step: TypeAlias = Send | Pause | Hold | Drop


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection, in monotonic seconds."""

    opened: float
    closed: float | None = None
    closed_by: Literal["client", "server"] | None = None
    requests: list[Received] = field(default_factory=list["Received"])


@dataclass(slots=True, eq=False, kw_only=True)
class Received:
    """One request as it came in. `answered` is when the last byte of the reply was written."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    arrived: float
    connection: Connection
    answered: float | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's fields."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Json:
        """The body parsed; an empty object where there is no body."""
        return json.loads(self.body) if self.body else {}


class WireServer(ABC):
    """Serves on a loopback port inside `async with`. A request it has no answer for fails the test."""

    def __init__(self) -> None:
        """Start with an empty log."""
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self._failures: list[Exception] = []
        self._protocols: set[_Protocol] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    @abstractmethod
    def respond(self, request: Received) -> Iterable[Step]:
        """What to do with this request. Called when its body is complete."""

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 takes any free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Protocol(self), LOOPBACK, port)

    async def stop(self) -> None:
        """Drop every connection and free the port."""
        assert self._server is not None, "not started"
        self._server.close()
        tasks = [protocol.task for protocol in self._protocols if protocol.task is not None]
        for protocol in list(self._protocols):
            protocol.drop(reset=False, at_once=True)
        await self._server.wait_closed()
        await self.closed()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start on a free port."""
        await self.start()
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """Stop, and raise what went wrong while answering."""
        await self.stop()
        if self._failures and error is None:
            raise self._failures[0]

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None, "not started"
        return cast("int", self._server.sockets[0].getsockname()[1])

    @property
    def origin(self) -> str:
        """Scheme, address and port."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client's `base_url` should be."""
        return self.origin

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._protocols)

    @property
    def unanswered(self) -> int:
        """Requests on open connections whose reply is not complete."""
        return sum(r.answered is None and r.connection.closed is None for r in self.requests)

    async def until(self, fact: Callable[[], bool], within: float = 5.0) -> None:
        """Wait until the log makes this true."""
        async with asyncio.timeout(within):
            while not fact():
                await self._changed.wait()

    async def received(self, count: int = 1, within: float = 5.0) -> Received:
        """Wait for the request of this number, counted from 1."""
        await self.until(lambda: len(self.requests) >= count, within)
        return self.requests[count - 1]

    async def closed(self, within: float = 5.0) -> float:
        """Wait until no connection is open; when the last one closed."""
        await self.until(lambda: not self._protocols, within)
        return max((c.closed or 0.0 for c in self.connections), default=0.0)

    def _opened(self, protocol: _Protocol) -> None:
        self._protocols.add(protocol)
        self.connections.append(protocol.connection)
        self._notify()

    def _lost(self, protocol: _Protocol) -> None:
        self._protocols.discard(protocol)
        self._notify()

    def _arrived(self, request: Received) -> None:
        self.requests.append(request)
        request.connection.requests.append(request)
        self._notify()

    def _failed(self, error: Exception) -> None:
        self._failures.append(error)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Protocol(asyncio.Protocol):
    """One connection: httptools reads the requests, a task carries out the steps of each reply."""

    def __init__(self, server: WireServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiting: list[tuple[Received, bool]] = []
        self.task: asyncio.Task[None] | None = None  # carries out the replies, in order
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # No buffer of our own: once `_writable` is set, all bytes are with the kernel.
        self._transport.set_write_buffer_limits(high=0)
        self.connection = Connection(time.monotonic())
        self._server._opened(self)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._server._failed(error)
            self.drop(reset=True)

    @override
    def eof_received(self) -> None:
        self._mark_closed("client")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._mark_closed("client")
        self._writable.set()
        if self.task is not None:
            self.task.cancel()
        self._server._lost(self)

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = Received(
            method=self._parser.get_method().decode("ascii"),
            target=self._target.decode("ascii"),
            headers=self._headers,
            body=b"".join(self._body),
            arrived=time.monotonic(),
            connection=self.connection,
        )
        self._target, self._headers, self._body = b"", {}, []
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._answer_waiting())

    def drop(self, *, reset: bool, at_once: bool = False) -> None:
        self._mark_closed("server")
        if reset:
            sock = cast("socket.socket", self._transport.get_extra_info("socket"))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if reset or at_once:
            self._transport.abort()
        else:
            self._transport.close()

    async def _answer_waiting(self) -> None:
        while self._waiting and not self._transport.is_closing():
            request, keep_alive = self._waiting.pop(0)
            self._server._arrived(request)
            try:
                await self._answer(request)
            except Exception as error:
                self._server._failed(error)
                self.drop(reset=True)
            if not keep_alive:
                self.drop(reset=False)

    async def _answer(self, request: Received) -> None:
        for step in self._server.respond(request):
            await self._carry_out(step)
            if self._transport.is_closing():
                return
        request.answered = time.monotonic()
        self._server._notify()

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Send():
                self._transport.write(step.data)
                await self._writable.wait()
            case Pause():
                await asyncio.sleep(step.seconds)
            case Hold():
                await asyncio.get_running_loop().create_future()
            case Drop():
                self.drop(reset=step.reset)

    def _mark_closed(self, by: Literal["client", "server"]) -> None:
        if self.connection.closed is None:
            self.connection.closed = time.monotonic()
            self.connection.closed_by = by


@contextmanager
def closed_port() -> Generator[str]:
    """An address that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.bind((LOOPBACK, 0))
        yield f"http://{LOOPBACK}:{bound.getsockname()[1]}"
