import time

import httpx
import pytest
from inline_snapshot import snapshot

from tests.fakes.delivery import Cut, Delivery
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.recordings import Recording, recording, recordings
from tests.fakes.replay import Replay, ReplayServer

pytestmark = pytest.mark.anyio

CLAUDE = recording("anthropic/stream-text-sonnet45")
GEMINI = recording("gemini/stream-text-flash25")
DEEPSEEK = recording("deepseek/stream-text")
CUTS: list[Cut] = ["whole", "events", 7, 1]


def client_of(server: ReplayServer, timeout: float = 5.0) -> httpx.AsyncClient:
    """A plain client; without certificates to load it is made twenty times faster."""
    return httpx.AsyncClient(base_url=server.base_url, verify=False, timeout=timeout)


async def post(
    server: ReplayServer, path: str = "/v1/messages", model: str = "m"
) -> httpx.Response:
    async with client_of(server) as client:
        return await client.post(path, json={"model": model})


async def received_before_failing(server: ReplayServer) -> tuple[bytes, type[Exception] | None]:
    """What a streaming client gets, and how the stream fails under it."""
    received = b""
    async with client_of(server) as client:
        try:
            async with client.stream("POST", "/v1/messages", json={}) as response:
                async for data in response.aiter_raw():
                    received += data
        except httpx.TransportError as error:
            return received, type(error)
    return received, None


@pytest.mark.parametrize("name", recordings())
async def test_every_recording_comes_out_as_it_was_recorded(name: str) -> None:
    source = recording(name)
    async with ReplayServer(source) as server:
        reply = await post(server)
    assert reply.status_code == source.status
    assert reply.content == source.body
    assert {name: reply.headers[name] for name in source.headers} == source.headers


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("source", [CLAUDE, GEMINI, DEEPSEEK, recording("anthropic/error-401")])
async def test_bytes_are_the_same_however_they_are_cut(source: Recording, cut: Cut) -> None:
    async with ReplayServer(Replay(recording=source, delivery=Delivery(cut=cut))) as server:
        assert (await post(server)).content == source.body


async def test_the_first_recording_that_takes_a_request_answers_it() -> None:
    overloaded = recording("anthropic/constructed-error-529")
    async with ReplayServer(
        Replay(recording=overloaded, path="/v1/messages", model="claude-*", times=2),
        Replay(recording=CLAUDE, path="/v1/messages", model="claude-*"),
        Replay(recording=GEMINI, model="gemini-2.5-*"),
        Replay(recording=DEEPSEEK, path="*/chat/completions"),
    ) as server:
        asked = [
            ("/v1/messages", "claude-sonnet-5-5"),
            ("/v1/messages", "claude-opus-5-5"),
            ("/v1/messages", "claude-sonnet-5-5"),
            ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", ""),
            ("/v1/chat/completions", "deepseek-flash"),
        ]
        replies = [await post(server, path, model) for path, model in asked]
    assert [reply.status_code for reply in replies] == [529, 529, 200, 200, 200]
    assert [reply.content for reply in replies[2:]] == [CLAUDE.body, GEMINI.body, DEEPSEEK.body]


async def test_a_request_without_a_recording_fails_the_test() -> None:
    server = ReplayServer(Replay(recording=CLAUDE, model="claude-*"))
    await server.__aenter__()
    with pytest.raises(httpx.TransportError):
        await post(server, model="gpt-7")
    with pytest.raises(LookupError, match=r"no recording for POST /v1/messages \('gpt-7'\)"):
        await server.__aexit__(None, None, None)


async def test_delays_come_before_the_headers_and_before_the_body() -> None:
    delivery = Delivery(header_delay=0.05, first_byte_delay=0.1)
    async with ReplayServer(Replay(recording=CLAUDE, delivery=delivery)) as server:
        start = time.monotonic()
        async with client_of(server) as client, client.stream("POST", "/x", json={}) as response:
            headers = time.monotonic()
            await response.aread()
        assert headers - start >= 0.05
        assert time.monotonic() - headers >= 0.09


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("reset", httpx.ReadError),
        ("close", httpx.RemoteProtocolError),
        ("cut", None),
    ],
)
@pytest.mark.parametrize("at", [0, 5, 600, len(CLAUDE.body)])
async def test_a_stream_ends_early_after_the_bytes_that_it_should_have(
    kind: FaultKind, failure: type[Exception] | None, at: int
) -> None:
    async with ReplayServer(Replay(recording=CLAUDE, fault=Fault(kind=kind, at=at))) as server:
        received, error = await received_before_failing(server)
    assert error == failure
    # A client may lose what a RST overtakes; nothing else may be lost, and nothing added.
    assert CLAUDE.body[:at].startswith(received)
    if kind != "reset":
        assert len(received) == at


@pytest.mark.parametrize("kind", ["reset", "close"])
async def test_a_connection_breaks_before_the_status_line(kind: FaultKind) -> None:
    async with ReplayServer(Replay(recording=CLAUDE, fault=Fault(kind=kind))) as server:
        with pytest.raises(httpx.TransportError):
            await post(server)


@pytest.mark.parametrize("at", [None, 0, 600])
async def test_a_stall_lasts_until_the_client_leaves(at: int | None) -> None:
    async with ReplayServer(Replay(recording=CLAUDE, fault=Fault(kind="stall", at=at))) as server:
        async with client_of(server, timeout=0.1) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/v1/messages", json={})
        await server.closed(within=1.0)
        assert server.connections[0].closed_by == "client"


async def test_statuses_have_the_providers_own_bodies() -> None:
    seen: dict[str, list[object]] = {}
    for source in (CLAUDE, GEMINI, DEEPSEEK):
        for status in (429, 500, 503, 529):
            fault = Fault(kind="status", status=status, retry_after=1.5)
            async with ReplayServer(Replay(recording=source, fault=fault)) as server:
                reply = await post(server)
            assert reply.headers["retry-after"] == "1.5"
            error = reply.json()["error"]
            kind = error.get("status") or error.get("type")
            seen.setdefault(source.provider, []).append((reply.status_code, kind))
    assert seen == snapshot(
        {
            "anthropic": [
                (429, "rate_limit_error"),
                (500, "api_error"),
                (503, "api_error"),
                (529, "overloaded_error"),
            ],
            "gemini": [
                (429, "RESOURCE_EXHAUSTED"),
                (500, "INTERNAL"),
                (503, "UNAVAILABLE"),
                (529, "DEADLINE_EXCEEDED"),
            ],
            "deepseek": [
                (429, "rate_limit_error"),
                (500, "service_unavailable_error"),
                (503, "service_unavailable_error"),
                (529, "service_unavailable_error"),
            ],
        }
    )


async def test_a_429_without_a_delay_has_no_header_for_it() -> None:
    fault = Fault(kind="status", status=429)
    async with ReplayServer(Replay(recording=CLAUDE, fault=fault)) as server:
        assert "retry-after" not in (await post(server)).headers


async def test_replies_that_are_no_stream_at_all() -> None:
    seen: dict[str, object] = {}
    kinds: list[FaultKind] = ["html", "json", "empty", "redirect"]
    for kind in kinds:
        async with ReplayServer(Replay(recording=CLAUDE, fault=Fault(kind=kind))) as server:
            reply = await post(server)
        seen[kind] = (reply.status_code, reply.headers["content-type"], len(reply.content) > 0)
    assert seen == snapshot(
        {
            "html": (200, "text/html; charset=utf-8", True),
            "json": (200, "application/json", True),
            "empty": (200, "text/event-stream", False),
            "redirect": (307, "text/plain", False),
        }
    )


async def test_a_stream_is_spoilt_in_its_middle() -> None:
    first = CLAUDE.body.index(b"\n\n") + 2
    bodies: dict[str, bytes] = {}
    kinds: list[FaultKind] = ["error", "garbage", "huge", "duplicate"]
    for kind in kinds:
        fault = Fault(kind=kind, at=first, size=100_000)
        async with ReplayServer(Replay(recording=CLAUDE, fault=fault)) as server:
            bodies[kind] = (await post(server)).content
    start, rest = CLAUDE.body[:first], CLAUDE.body[first:]
    second = rest[: rest.index(b"\n\n") + 2]
    assert all(body.startswith(start) for body in bodies.values())
    assert bodies["error"].removeprefix(start).startswith(b"event: error\ndata: ")
    assert bodies["garbage"].removeprefix(start).startswith(b"\xff\xfe")
    assert bodies["huge"] == start + b"data: " + b"x" * 100_000 + b"\n\n" + rest
    assert bodies["duplicate"] == start + second + second + rest[len(second) :]
