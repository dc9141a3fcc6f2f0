"""HttpProvider over real sockets: what it sends, and what it makes of replies of every kind."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from models.chat import Message, Text
from models.errors import BadReply, StreamBroken
from models.stream import Alive, Finished, Started, UsageReported
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from tests.fakes.recordings import recording
from tests.fakes.replay import ReplayServer
from tests.router.providers.upstream import (
    ASK,
    CARD,
    END,
    FINISH,
    HELLO,
    KEY,
    SSE,
    ask,
    ask_for,
    body,
    failure,
    head,
    provider,
    text,
)

pytestmark = pytest.mark.anyio


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


async def test_a_large_request_arrives_whole_and_with_its_length() -> None:
    large = "x" * 3_000_000
    request = replace(ASK, messages=(Message(role="user", parts=(Text(text=large),)),))
    async with ReplayServer(recording("openai/chat-stream-text-gpt4o")) as server:
        upstream = provider(server)
        assert [b async for b in upstream.stream(request, CARD)]
        await upstream.aclose()
        received = server.requests[0]
    assert received.json["messages"][0]["content"] == large
    assert received.headers["content-length"] == str(len(received.body))
    assert "transfer-encoding" not in received.headers


def _proxy(request: bytes) -> bytes:
    reply = HELLO + FINISH + b"data: [DONE]\n\n"
    assert request.startswith(b"POST http://provider.example/v1/chat/completions ")
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s" % (
        len(reply),
        reply,
    )


async def test_a_proxy_of_the_environment_is_used_for_hosts_elsewhere_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_proxy(await reader.readuntil(b"\r\n\r\n")))
        writer.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1")
    async with proxy, ReplayServer(recording("openai/chat-stream-text-gpt4o")) as server:
        address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        elsewhere = HttpProvider("host", OpenAIFormat(), base_url="http://provider.example/v1")
        assert text(await ask(elsewhere)) == "Hello"
        assert text(await ask(provider(server))) == "The capital of Mexico is Mexico City."


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
