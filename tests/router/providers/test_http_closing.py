"""HttpProvider lets go at once when it is left, and keeps connections that can serve again."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from models.chat import Message, Text
from models.stream import Finished, StreamEvent, UsageReported
from router.providers.base import WireFormat
from router.providers.gemini import GeminiFormat
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from tests.fakes.recordings import recording
from tests.fakes.replay import ReplayServer
from tests.fakes.wire import Hold, Pause, Step, WireServer
from tests.router.providers.upstream import (
    ASK,
    CARD,
    END,
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


_GEMINI = (
    b'data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}\r\n\r\n'
)
_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'


@pytest.mark.parametrize(
    ("wire", "steps"),
    [
        pytest.param(OpenAIFormat(), [HELLO + FINISH], id="nothing more"),
        pytest.param(OpenAIFormat(), [HELLO + FINISH, _USAGE], id="usage, no end mark"),
        pytest.param(OpenAIFormat(), [HELLO + FINISH, *[b": ping\n\n"] * 40], id="pings for ever"),
        pytest.param(GeminiFormat(), [_GEMINI], id="Gemini's last chunk"),
    ],
)
async def test_a_host_that_never_ends_a_finished_reply_gets_a_short_grace(
    wire: WireFormat, steps: list[bytes]
) -> None:
    reply = [step for data in steps for step in (body(data), Pause(0.02))]
    async with Scripted(head(), *reply, Hold()) as server:
        began = time.monotonic()
        events = await ask(provider(server, wire=wire, grace=0.2))
        took = time.monotonic() - began
        assert isinstance(events[-1], Finished)
        assert text(events) == "Hello"
        assert any(isinstance(e, UsageReported) for e in events) == (
            _USAGE in steps or wire != OpenAIFormat()
        )
        assert 0.2 <= took < 0.7
        await server.closed()


async def test_old_gemini_models_give_a_reason_with_every_chunk_and_go_on() -> None:
    late = [body(_GEMINI), body(_GEMINI), Pause(0.3), body(_GEMINI)]
    async with Scripted(head(), *late, END) as server:
        events = await ask(provider(server, wire=GeminiFormat(), grace=0.1))
        assert text(events) == "Hello" * 3
        assert isinstance(events[-1], Finished)


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
