"""HttpProvider lets go at once when it is left, and keeps connections that can serve again."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from models.chat import Message, Text
from models.stream import Finished, StreamEvent
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from tests.fakes.recordings import recording
from tests.fakes.replay import ReplayServer
from tests.fakes.wire import Hold, Step, WireServer
from tests.router.providers.upstream import (
    ASK,
    CARD,
    FINISH,
    HELLO,
    Scripted,
    ask,
    body,
    head,
    provider,
    text,
)

pytestmark = pytest.mark.anyio


async def test_connections_are_used_again_after_a_finished_reply() -> None:
    async with ReplayServer(recording("openai/chat-stream-text-gpt4o")) as server:
        upstream = provider(server)
        for _ in range(3):
            assert [b async for b in upstream.stream(ASK, CARD)]
        assert len(server.connections) == 1
        await upstream.aclose()


async def test_nothing_is_sent_before_the_first_iteration() -> None:
    async with Scripted(Hold()) as server:
        upstream = provider(server)
        async with aclosing(upstream.stream(ASK, CARD)):
            pass
        await upstream.aclose()
        assert not server.connections


async def _leave(server: WireServer, task: asyncio.Task[list[StreamEvent]]) -> float:
    """Seconds from the cancellation until the server saw the connection close."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return await server.closed() - began


@pytest.mark.parametrize(
    ("steps", "streaming"),
    [
        pytest.param((), True, id="before the headers"),
        pytest.param((), False, id="before the headers, not streaming"),
        pytest.param((head(),), True, id="before the first byte"),
        pytest.param((head(), body(HELLO)), True, id="in mid-stream"),
        pytest.param((head(), body(HELLO[:20])), True, id="inside an event"),
        pytest.param((head(kind="application/json"), body(b"\n")), False, id="in a whole reply"),
        pytest.param((head(500, "application/json"), body(b"{")), True, id="in an error"),
    ],
)
async def test_a_cancelled_task_closes_the_connection_at_once(
    steps: tuple[Step, ...], streaming: bool
) -> None:
    async with Scripted(*steps, Hold()) as server:
        upstream = provider(server)
        task = asyncio.create_task(ask(upstream, streaming=streaming))
        await server.received()
        await asyncio.sleep(0)
        assert await _leave(server, task) < 0.1
        assert server.connections[0].closed_by == "client"


async def test_closing_the_generator_closes_the_connection_at_once() -> None:
    async with Scripted(head(), body(HELLO), Hold()) as server:
        upstream = provider(server)
        stream = upstream.stream(ASK, CARD)
        assert text(await anext(stream)) == "Hello"
        began = time.monotonic()
        await stream.aclose()
        assert await server.closed() - began < 0.1
        assert server.connections[0].closed_by == "client"
        await upstream.aclose()


async def test_a_server_that_keeps_writing_sees_the_connection_close() -> None:
    async with Scripted(head(), *[body(HELLO)] * 100_000) as server:
        upstream = provider(server)
        async with aclosing(upstream.stream(ASK, CARD)) as stream:
            await anext(stream)
            began = time.monotonic()
        assert await server.closed() - began < 0.1
        await upstream.aclose()


async def test_a_host_that_stays_connected_after_the_end_is_left() -> None:
    async with Scripted(head(), body(HELLO + FINISH + b"data: [DONE]\n\n"), Hold()) as server:
        events = await ask(provider(server))
        assert events[-1] == Finished("stop", "stop")
        await server.closed()


async def test_a_request_that_is_still_going_out_is_not_sent_to_its_end() -> None:
    """The provider would answer it, and bill for it."""
    size = 24 * 1024 * 1024
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        upstream = HttpProvider(
            "host", OpenAIFormat(), base_url=f"http://127.0.0.1:{listener.getsockname()[1]}"
        )
        large = Message(role="user", parts=(Text(text="x" * size),))

        async def leave_in_the_middle() -> None:
            async for _ in upstream.stream(replace(ASK, messages=(large,)), CARD):
                pass

        task = asyncio.create_task(leave_in_the_middle())
        accepted, _ = await loop.sock_accept(listener)
        with accepted:
            accepted.setblocking(False)
            received = len(await loop.sock_recv(accepted, 1024))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while data := await loop.sock_recv(accepted, 1024 * 1024):
                received += len(data)
        assert received < size
        await upstream.aclose()
