"""Clients that hang up after 300 seconds of silence, with their clock and ours sped up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from serving.dialects.openai.dialect import ChatCompletions
from serving.replies import QUIET, StreamedReply, WholeReply
from tests.fakes.clients import ALL, Client, Cline, Codex, NodeSdk, Told
from tests.serving.fake_router import FakeRouter, said
from tests.serving.live import serve

pytestmark = pytest.mark.anyio

HURRY = 300.0
HI: Any = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}


@asynccontextmanager
async def quiet_edge(router: FakeRouter, quiet: float) -> AsyncGenerator[str, None]:
    """The chat endpoint with another time between keep-alives."""
    app, dialect = FastAPI(), ChatCompletions()

    async def answer(request: Request) -> Response:
        parsed = dialect.parse(await request.body())
        reply = router.answer(parsed.request, dialect="x", client="")
        if parsed.request.stream:
            renderer = parsed.stream_renderer(reply.outcome)
            return StreamedReply(reply, dialect, renderer, quiet=quiet)
        return WholeReply(reply, dialect, parsed.body_renderer(reply.outcome), quiet=quiet)

    app.add_route("/chat", answer, methods=["POST"])
    async with serve(app) as url:
        yield f"{url}/chat"


async def asked(client: Client, quiet: float, *, stream: bool) -> Told:
    """The model says a word, and the rest after half again as long as Node waits."""
    router = FakeRouter(said("Half", " an answer"), hold_at=1)
    async with quiet_edge(router, quiet) as url, httpx.AsyncClient() as http:
        asking = asyncio.create_task(client.ask(http, url, HI, stream=stream))
        await router.holding.wait()
        asyncio.get_running_loop().call_later(1.5 * NodeSdk.patience / HURRY, router.release.set)
        return await asking


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", [NodeSdk, Cline, Codex])
async def test_a_long_silence_is_borne(kind: type[Client], stream: bool) -> None:
    told = await asked(kind(hurry=HURRY), QUIET / HURRY, stream=stream)
    assert (told.shown, told.gave_up, told.requests) == ("Half an answer", None, 1)


@pytest.mark.parametrize("stream", [True, False])
async def test_without_keep_alives_node_would_hang_up(stream: bool) -> None:
    told = await asked(NodeSdk(hurry=HURRY), 1000.0, stream=stream)
    assert told.gave_up == "silence"


def test_a_keep_alive_comes_long_before_any_client_hangs_up() -> None:
    assert min(kind.patience for kind in ALL) > 10 * QUIET
