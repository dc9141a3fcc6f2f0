"""What goes wrong becomes a reply that clients understand, in OpenAI's shape."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import openai
import pytest
from inline_snapshot import snapshot
from openai import AsyncOpenAI
from starlette.types import Message

from models.chat import ChatRequest
from models.errors import (
    EngineError,
    HeadstartError,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestError,
)
from models.stream import Alive, Failed, TextDelta
from serving.dialects.openai.dialect import ChatCompletions
from serving.errors import error_response
from serving.replies import OpenBody, StreamedReply, WholeReply
from tests.serving.fake_router import FakeRouter, said
from tests.serving.live import http, live_edge
from tests.serving.openai_reader import read_stream

pytestmark = pytest.mark.anyio

HI: Any = [{"role": "user", "content": "Hi"}]
BUSY = Overloaded("Anthropic has no capacity now.", provider="anthropic", retry_after=1.2)


def subclasses(root: type[HeadstartError]) -> Iterator[type[HeadstartError]]:
    yield root
    for sub in root.__subclasses__():
        yield from subclasses(sub)


ALL = sorted({kind.__name__: kind for kind in subclasses(HeadstartError)}.items())


@pytest.mark.parametrize("kind", [kind for _, kind in ALL], ids=[name for name, _ in ALL])
async def test_every_error_renders(kind: type[HeadstartError]) -> None:
    error = kind("Something is wrong.")
    reply = error_response(error, ChatCompletions())
    [body] = json.loads(bytes(reply.body)).values()

    assert reply.status_code == kind.status >= 400
    assert body["message"] == error.message
    assert body["code"] == kind.code
    assert body["type"] in {
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "rate_limit_error",
        "api_error",
    }
    assert (body["origin"] == "headstart") is not issubclass(kind, ProviderError)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_the_first_byte_is_an_http_error(stream: bool) -> None:
    async with live_edge(FakeRouter([[Failed(BUSY)]])) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "stream": stream})

    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "2"
    assert reply.headers["x-should-retry"] == "true"
    assert reply.headers["x-headstart-id"] == "req_01"
    assert reply.json() == snapshot(
        {
            "error": {
                "message": "Anthropic has no capacity now.",
                "type": "api_error",
                "param": None,
                "code": "provider_overloaded",
                "origin": "anthropic",
            }
        }
    )


async def test_a_refusal_of_the_router_names_the_field() -> None:
    router = FakeRouter(refuse=RequestError("There is no model `x` here.", param="model"))
    async with live_edge(router) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "model": "x"})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "model"


async def test_a_client_does_not_retry_what_cannot_succeed() -> None:
    spent = QuotaExhausted("The account is empty.", provider="deepseek")
    for failure, attempts in ((spent, 1), (RateLimited("Slow down.", retry_after=0.01), 2)):
        router = FakeRouter([[Failed(failure)]])
        async with (
            live_edge(router) as url,
            AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=1) as client,
        ):
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="auto", messages=HI)
        assert len(router.requests) == attempts


@pytest.mark.parametrize("stream", [True, False])
async def test_a_fault_of_ours_says_nothing_of_its_inside(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    router = FakeRouter(crash=RuntimeError("key sk-secret is wrong"))
    async with live_edge(router) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "stream": stream})

    assert reply.status_code == 500
    assert "sk-secret" not in reply.text
    assert reply.json()["error"]["origin"] == "headstart"
    assert "a request failed inside" in caplog.text


async def test_a_fault_after_shown_text_still_ends_with_one_finish() -> None:
    router = FakeRouter([[TextDelta("Half an ans")]], crash=RuntimeError("boom"))
    async with live_edge(router) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "stream": True})

    read = read_stream(reply.content)
    assert (read.text, read.finish) == ("Half an ans", "length")


# -- silence --------------------------------------------------------------------------------------


class Wire:
    """The ASGI side of one reply: collects what is sent; the client never leaves."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.something = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.something.set()

    async def receive(self) -> Message:
        return await asyncio.Future()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


def reply_to(
    router: FakeRouter, *, stream: bool = True, quiet: float
) -> StreamedReply | WholeReply:
    dialect = ChatCompletions()
    parsed = dialect.parse(json.dumps({"messages": HI, "stream": stream}).encode())
    answer = router.answer(parsed.request, dialect="x", client="")
    if stream:
        return StreamedReply(answer, dialect, parsed.stream_renderer(answer.outcome), quiet=quiet)
    return WholeReply(answer, dialect, parsed.body_renderer(answer.outcome), quiet=quiet)


async def silent_then(router: FakeRouter, *, stream: bool = True) -> Wire:
    """Wait for the first keep-alive, then let the router go on."""
    wire = Wire()
    reply = reply_to(router, stream=stream, quiet=0.01)
    running = asyncio.create_task(reply({"type": "http"}, wire.receive, wire.send))
    await wire.something.wait()
    router.release.set()
    await running
    return wire


async def stopped(router: FakeRouter, *, stream: bool) -> Wire:
    """Stop the server while the router holds."""
    wire = Wire()
    reply = reply_to(router, stream=stream, quiet=60)
    running = asyncio.create_task(reply({"type": "http"}, wire.receive, wire.send))
    await router.holding.wait()
    running.cancel()
    await running
    assert router.closed.is_set()
    return wire


async def test_a_server_that_stops_still_finishes_what_it_showed() -> None:
    wire = await stopped(FakeRouter(said("Half", " an answer"), hold_at=1), stream=True)
    read = read_stream(wire.body)
    assert (read.text, read.finish) == ("Half", "length")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_server_that_stops_asks_silent_clients_to_come_back(stream: bool) -> None:
    wire = await stopped(FakeRouter(said("Hi"), hold_at=0), stream=stream)
    assert wire.sent[0]["status"] == 503
    assert b"Headstart is stopping" in wire.body


async def test_long_silence_is_filled_with_comments() -> None:
    wire = await silent_then(FakeRouter(said("Hi"), hold_at=0))

    assert wire.sent[0]["status"] == 200
    assert wire.body.startswith(b": keep-alive\n\n")
    assert read_stream(wire.body).text == "Hi"


async def test_long_silence_in_a_whole_answer_is_filled_with_line_breaks() -> None:
    wire = await silent_then(FakeRouter(said("Half", " an answer"), hold_at=1), stream=False)

    assert wire.sent[0]["status"] == 200
    assert wire.body.startswith(b"\n")
    assert json.loads(wire.body)["choices"][0]["message"]["content"] == "Half an answer"
    assert [m.get("more_body") for m in wire.sent].count(False) == 1


async def test_a_whole_answer_that_may_still_fail_promises_nothing() -> None:
    wire, router = Wire(), FakeRouter([[Failed(BUSY)]], hold_at=0)
    reply = reply_to(router, stream=False, quiet=0.0)
    running = asyncio.create_task(reply({"type": "http"}, wire.receive, wire.send))
    await router.holding.wait()
    for _ in range(20):  # silence is looked at every time
        await asyncio.sleep(0)
    router.release.set()
    await running
    assert wire.sent[0]["status"] == 503


async def test_a_fault_of_ours_after_a_line_break_still_ends_the_answer() -> None:
    router = FakeRouter([[TextDelta("Half")], [Alive()]], hold_at=1, crash=RuntimeError("boom"))
    [choice] = json.loads((await silent_then(router, stream=False)).body)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Half", "length")


async def test_a_slow_reader_gets_no_keep_alive_after_the_end() -> None:
    sent: list[Message] = []
    sending, reading = asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        sending.set()
        await reading.wait()

    outcome = (
        FakeRouter().answer(ChatRequest(model="auto", messages=()), dialect="x", client="").outcome
    )
    body = OpenBody(send, outcome, {}, b"\n", quiet=0.0)
    ending = asyncio.create_task(body.write(b"the end", last=True))
    await sending.wait()
    filling = asyncio.create_task(body.fill_silence())
    await asyncio.sleep(0)
    reading.set()
    await asyncio.gather(ending, filling)
    assert [message.get("more_body") for message in sent] == [None, False]


async def test_a_failure_after_a_keep_alive_is_told_in_the_stream() -> None:
    wire = await silent_then(FakeRouter([[Failed(EngineError("The engine died."))]], hold_at=0))

    events = [e for e in wire.body.decode().split("\n\n") if not e.startswith(":")]
    assert json.loads(events[0].removeprefix("data: "))["error"]["code"] == "engine_unavailable"
    assert events[1:] == ["data: [DONE]", ""]


async def test_the_sdk_raises_an_error_told_in_the_stream() -> None:
    wire = await silent_then(FakeRouter([[Failed(EngineError("The engine died."))]], hold_at=0))
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, content=wire.body)
    )
    async with AsyncOpenAI(
        api_key="none", http_client=httpx2.AsyncClient(transport=transport)
    ) as client:
        stream = await client.chat.completions.create(model="auto", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="The engine died"):
            async for _ in stream:
                pass


# -- before the router is asked -------------------------------------------------------------------


async def test_malformed_json_is_placed() -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", content=b'{"messages": [}')

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("The body is not valid JSON at line 1")


async def test_a_large_body_is_refused_before_it_is_read() -> None:
    async def slowly() -> AsyncGenerator[bytes, None]:
        for _ in range(40):
            yield b"x" * 100_000

    router = FakeRouter()
    async with live_edge(router, max_body=1_000_000) as url, http(url) as client:
        declared = await client.post("/v1/chat/completions", content=b"x" * 30_000_000)
        chunked = await client.post("/v1/chat/completions", content=slowly())

    for reply in (declared, chunked):
        assert reply.status_code == 413
        assert reply.json()["error"] == snapshot(
            {
                "message": "The body is larger than 1 MB. The limit is `max_body_mb` in [server].",
                "type": "invalid_request_error",
                "param": None,
                "code": "request_too_large",
                "origin": "headstart",
            }
        )
    assert router.requests == []


async def test_unknown_paths_and_wrong_methods() -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        nowhere = await client.post("/v1/chat/complete", json={})
        wrong = await client.get("/v1/chat/completions")

    assert (nowhere.status_code, wrong.status_code) == (404, 405)
    assert wrong.headers["allow"] == "POST"
    assert [nowhere.json()["error"], wrong.json()["error"]] == snapshot(
        [
            {
                "message": "Nothing is served at /v1/chat/complete. /v1/models lists what can be asked.",
                "type": "invalid_request_error",
                "param": None,
                "code": "unknown_path",
                "origin": "headstart",
            },
            {
                "message": "/v1/chat/completions does not take GET: use POST.",
                "type": "invalid_request_error",
                "param": None,
                "code": "method_not_allowed",
                "origin": "headstart",
            },
        ]
    )
