"""HttpProvider against real sockets: what it sends, what it makes of replies, how it lets go."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

import aiohttp
import httpx
import pytest
from typing_extensions import override

from models.card import ModelCard
from models.chat import ChatRequest, Message, Text
from models.errors import (
    BadReply,
    ConfigError,
    ConnectionFailed,
    ProviderAuthError,
    ProviderError,
    ProviderTimeout,
    StreamBroken,
)
from models.stream import (
    Alive,
    Failed,
    Finished,
    Started,
    StreamEvent,
    TextDelta,
    UsageReported,
)
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from router.providers.transport import TRANSPORT_ERRORS
from tests.fakes.recordings import recording
from tests.fakes.replay import ReplayServer
from tests.fakes.wire import Drop, Hold, Received, Send, Step, WireServer

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-0123456789"
CARD = ModelCard(provider="host", id="some-model")
ASK = ChatRequest(model="auto", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
CHUNK = (
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"},'
    b'"finish_reason":%s}]}\n\n'
)
HELLO = CHUNK % (b"Hello", b"null")
FINISH = CHUNK % (b"", b'"stop"')
SSE = "text/event-stream; charset=utf-8"


class Scripted(WireServer):
    """Answers every request with the same steps."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self.steps = steps

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        return self.steps


def head(status: int = 200, kind: str = SSE, *extra: str) -> Send:
    lines = [f"HTTP/1.1 {status} X", "transfer-encoding: chunked", *extra]
    if kind:
        lines.append(f"content-type: {kind}")
    return Send("\r\n".join([*lines, "", ""]).encode())


def body(data: bytes) -> Send:
    return Send(b"%x\r\n%s\r\n" % (len(data), data))


END = Send(b"0\r\n\r\n")


def provider(server: WireServer, *, key: str = KEY, connect: float = 2.0) -> HttpProvider:
    return HttpProvider(
        "host", OpenAIFormat(), base_url=f"{server.origin}/v1/", api_key=key, connect=connect
    )


async def ask(upstream: HttpProvider, *, streaming: bool = True) -> list[StreamEvent]:
    try:
        batches = [list(b) async for b in upstream.stream(ASK, CARD, streaming=streaming)]
    finally:
        await upstream.aclose()
    assert all(batches), "an empty batch"
    return [event for batch in batches for event in batch]


async def ask_for(*steps: Step, streaming: bool = True) -> list[StreamEvent]:
    async with Scripted(*steps) as server:
        return await ask(provider(server), streaming=streaming)


def text(events: Iterable[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def failure(events: Sequence[StreamEvent]) -> ProviderError:
    last = events[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, ProviderError)
    assert not any(isinstance(event, Finished | Failed) for event in events[:-1])
    return last.error


async def test_a_stream_becomes_events_and_the_request_is_what_the_wire_format_made() -> None:
    async with ReplayServer(recording("openai/chat-stream-text-gpt4o")) as server:
        events = await ask(provider(server))
        request = server.requests[0]

    assert isinstance(events[0], Started)
    assert text(events) == "The capital of Mexico is Mexico City."
    assert isinstance(events[-2], UsageReported)
    assert events[-1] == Finished("stop", "stop")
    assert request.target == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.json["model"] == "some-model"


async def test_the_same_events_come_from_a_reply_that_is_not_streamed() -> None:
    async with ReplayServer(recording("openrouter/json-text")) as server:
        events = await ask(provider(server), streaming=False)
        assert server.requests[0].json["stream"] is False

    assert text(events) == "2 + 2 = 4"
    assert isinstance(events[-1], Finished)


async def test_a_streaming_request_may_be_answered_with_json() -> None:
    async with ReplayServer(recording("openrouter/json-text")) as server:
        events = await ask(provider(server))
    assert text(events) == "2 + 2 = 4"


async def test_white_space_before_a_whole_reply_is_a_sign_of_life() -> None:
    reply = recording("deepseek/derived-keepalive-json").body
    events = await ask_for(
        head(kind="application/json"), body(b"\n"), body(reply), END, streaming=False
    )
    assert events[0] == Alive()
    assert text(events) == "4"


async def test_a_compressed_reply_is_read_all_the_same() -> None:
    packed = gzip.compress(HELLO + FINISH + b"data: [DONE]\n\n")
    events = await ask_for(head(200, SSE, "content-encoding: gzip"), body(packed), END)
    assert text(events) == "Hello"
    assert isinstance(events[-1], Finished)


async def test_a_broken_encoding_is_a_failure_like_any_other() -> None:
    events = await ask_for(head(200, SSE, "content-encoding: gzip"), body(b"not gzip"), END)
    assert isinstance(failure(events), StreamBroken)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "image/png"])
async def test_other_content_types_are_no_reply(kind: str) -> None:
    events = await ask_for(head(kind=kind), body(b"<html>hello</html>"), END)
    error = failure(events)
    assert isinstance(error, BadReply)
    assert kind in error.message


async def test_a_stream_needs_no_content_type() -> None:
    events = await ask_for(head(kind=""), body(HELLO + FINISH), END)
    assert text(events) == "Hello"
    assert isinstance(events[-1], Finished)


async def test_a_redirect_is_not_followed() -> None:
    events = await ask_for(head(301, "", "location: https://elsewhere.example/v2"), END)
    error = failure(events)
    assert isinstance(error, BadReply)
    assert not error.retryable
    assert "https://elsewhere.example/v2" in error.message


async def test_an_error_carries_the_provider_and_never_the_key() -> None:
    answer = b'{"error":{"message":"Incorrect API key provided: %s","code":"invalid_api_key"}}'
    events = await ask_for(head(401, "application/json"), body(answer % KEY.encode()), END)
    error = failure(events)
    assert isinstance(error, ProviderAuthError)
    assert error.provider == error.origin == "host"
    assert "Incorrect API key provided" in error.message
    assert KEY not in error.message
    assert KEY not in str(error)


async def test_a_huge_error_page_is_not_read_to_its_end() -> None:
    page = b"<html>" + b"x" * (2 * 1024 * 1024)
    events = await ask_for(head(502, "text/html"), body(page), Hold())
    assert failure(events).upstream_status == 502


async def test_a_refused_connection() -> None:
    async with Scripted() as server:
        port = server.port
    upstream = HttpProvider("host", OpenAIFormat(), base_url=f"http://127.0.0.1:{port}/v1")
    assert isinstance(failure(await ask(upstream)), ConnectionFailed)


async def test_no_connection_in_time() -> None:
    """A listener whose backlog is full: the kernel drops further SYNs, so connecting hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            upstream = HttpProvider(
                "host", OpenAIFormat(), base_url=f"http://127.0.0.1:{port}", connect=0.05
            )
            error = failure(await ask(upstream))
        finally:
            for sock in waiting:
                sock.close()
    assert isinstance(error, ProviderTimeout)
    assert error.retryable


async def test_the_server_hangs_up_without_a_word() -> None:
    assert isinstance(failure(await ask_for(Drop())), ConnectionFailed)


async def test_something_that_does_not_speak_http() -> None:
    error = failure(await ask_for(Send(b"220 mail.example ESMTP ready\r\n\r\n"), Drop()))
    assert isinstance(error, BadReply | ConnectionFailed)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_stream_that_breaks_keeps_what_came_before(reset: bool) -> None:
    events = await ask_for(head(), body(HELLO), Drop(reset=reset))
    assert isinstance(failure(events), StreamBroken)
    if not reset:  # a reset may discard what the kernel had not handed over
        assert text(events) == "Hello"


async def test_a_connection_that_breaks_after_the_finish_reason_loses_nothing() -> None:
    events = await ask_for(head(), body(HELLO + FINISH), Drop())
    assert events[-1] == Finished("stop", "stop")


async def test_a_whole_reply_that_breaks_off() -> None:
    events = await ask_for(head(kind="application/json"), body(b'{"id":"x",'), Drop())
    assert isinstance(failure(events), StreamBroken)


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


def _subclasses(root: type[Exception]) -> set[type[Exception]]:
    return {root}.union(*(_subclasses(sub) for sub in root.__subclasses__()))


HTTPX_ERRORS = sorted(
    {
        error
        for root in (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
        for error in _subclasses(root)
        if error.__module__ == "httpx"
    },
    key=lambda error: error.__name__,
)


def test_no_exception_of_httpx_is_forgotten() -> None:
    exported = {
        value
        for value in vars(httpx).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert exported <= set(HTTPX_ERRORS)
    assert len(HTTPX_ERRORS) > 25


@pytest.mark.parametrize("error", HTTPX_ERRORS, ids=lambda error: error.__name__)
async def test_every_exception_of_httpx_becomes_one_of_ours(error: type[Exception]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if error is httpx.HTTPStatusError:
            raise httpx.HTTPStatusError("no", request=request, response=httpx.Response(500))
        takes_words = "message" in inspect.signature(error).parameters
        raise error("no") if takes_words else error()

    upstream = HttpProvider(
        "host",
        OpenAIFormat(),
        base_url="http://127.0.0.1:1",
        client=httpx.AsyncClient(transport=httpx.MockTransport(fail)),
    )
    assert failure(await ask(upstream)).provider == "host"


def test_no_exception_of_aiohttp_passes_through() -> None:
    for error in _subclasses(aiohttp.ClientError):
        assert issubclass(error, TRANSPORT_ERRORS)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("api.example.com/v1", ""),
        ("ftp://host/v1", ""),
        ("http://[::1", ""),
        ("http://host/v1", "with\nnewline"),
        ("http://host/v1", "schlüssel"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_quoting_the_key(url: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        HttpProvider("host", OpenAIFormat(), base_url=url, api_key=key)
    assert "host" in refused.value.message
    assert not key or key not in refused.value.message


async def test_a_local_engine_is_reached_by_its_unix_socket(tmp_path: Path) -> None:
    reply = HELLO + FINISH + b"data: [DONE]\n\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"POST /v1/chat/completions")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"content-length: %d\r\n\r\n%s" % (len(reply), reply))
        writer.close()

    path = tmp_path / "engine.sock"
    async with await asyncio.start_unix_server(serve, path):
        upstream = HttpProvider(
            "fast", OpenAIFormat(), base_url="http://localhost/v1", uds=str(path)
        )
        events = await ask(upstream)
    assert text(events) == "Hello"
    assert isinstance(events[-1], Finished)
