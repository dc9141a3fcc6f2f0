"""A draft that nobody needs any more is no longer generated: the real engine's own counters say so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.app import build
from serving.engines.engine import Engine
from serving.settings import Settings
from tests.fakes.faults import Fault
from tests.fakes.fleet import deepseek
from tests.fakes.script import ScriptedProvider, Turn
from tests.serving.live import serve

pytestmark = pytest.mark.anyio

_LONG = 400  # tokens: some fifteen seconds of this engine
_MUTE = Turn(answer="A river rises.", fault=Fault(kind="stall"))
_METRIC = re.compile(r"^vllm:(\w+)\{(.*)\} ([\d.e+]+)$", re.MULTILINE)


class Counters:
    """What vLLM counts of itself."""

    def __init__(self, engine: Engine) -> None:
        self._url = f"{engine.address.base_url}/metrics"

    async def read(self) -> tuple[float, float, float]:
        """Requests that run now, tokens so far, requests that ended by themselves so far."""
        async with httpx.AsyncClient() as client:
            found = _METRIC.findall((await client.get(self._url)).text)
        running = sum(float(n) for name, _, n in found if name == "num_requests_running")
        tokens = sum(float(n) for name, _, n in found if name == "generation_tokens_total")
        whole = sum(
            float(n)
            for name, labels, n in found
            if name == "request_success_total" and ("stop" in labels or "length" in labels)
        )
        return running, tokens, whole

    async def idle(self) -> tuple[float, float]:
        """Wait until nothing runs; tokens and whole requests by then."""
        return await self._until(0)

    async def busy(self) -> None:
        """Wait until one request runs: the engine counts a moment later than it speaks."""
        await self._until(1)

    async def _until(self, count: int) -> tuple[float, float]:
        async with asyncio.timeout(10):
            while True:
                running, tokens, whole = await self.read()
                if running == count:
                    return tokens, whole


@asynccontextmanager
async def _server(
    engine: Engine, fake: ScriptedProvider, folder: Path, **relay: Any
) -> AsyncGenerator[str]:
    fields: dict[str, Any] = {
        "deep": {"order": [f"deepseek/{fake.model}"]},
        "providers": {"deepseek": {"base_url": fake.base_url}},
        "relay": relay,
        "deadlines": {"fast_first_token": 10},
        "outcomes": {"path": folder / "outcomes.db"},
    }
    app = await build(Settings(**fields), {"fast": engine}, {"DEEPSEEK_API_KEY": "k"})
    async with serve(app) as url:
        yield url


@asynccontextmanager
async def _asked(url: str, **fields: Any) -> AsyncGenerator[httpx.Response]:
    body = {
        "messages": [{"role": "user", "content": "Write a long story about a river."}],
        "stream": True,
        "max_tokens": _LONG,
        "temperature": 0,
        **fields,
    }
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as reply,
    ):
        yield reply


async def test_once_its_first_sentence_is_handed_over(engine: Engine, tmp_path: Path) -> None:
    counters = Counters(engine)
    async with deepseek(_MUTE) as fake, _server(engine, fake, tmp_path) as url:
        before, whole_before = await counters.idle()
        async with _asked(url, model="auto", headstart={"threshold": 1.0}) as reply:
            assert reply.headers["x-headstart-route"] == "deep"
            await fake.received(1)  # it goes on, and says nothing yet
            tokens, whole = await counters.idle()
    assert whole == whole_before, "it was stopped, it did not end"
    assert 0 < tokens - before < _LONG / 2


async def test_once_it_is_held_for_being_unsure(engine: Engine, tmp_path: Path) -> None:
    counters = Counters(engine)
    async with (
        deepseek(_MUTE) as fake,
        _server(engine, fake, tmp_path, min_mean_logprob=0.0) as url,
    ):
        before, whole_before = await counters.idle()

        async def ask() -> None:
            async with _asked(url, model="auto", headstart={"threshold": 0.0}) as reply:
                await reply.aread()

        asking = asyncio.create_task(ask())
        request = await fake.received(1, within=20)
        tokens, whole = await counters.idle()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert len(request.json["messages"]) == 1, "the hosted model is asked for a whole answer"
    assert whole == whole_before
    assert 0 < tokens - before < _LONG / 2


async def test_once_the_client_leaves(engine: Engine, tmp_path: Path) -> None:
    counters = Counters(engine)
    async with deepseek(_MUTE) as fake, _server(engine, fake, tmp_path) as url:
        before, whole_before = await counters.idle()
        async with _asked(url, model="fast") as reply:
            await anext(reply.aiter_bytes())
            await counters.busy()
        tokens, whole = await counters.idle()
    assert whole == whole_before
    assert 0 < tokens - before < _LONG / 2
