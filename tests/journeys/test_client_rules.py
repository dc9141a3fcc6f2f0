"""Whatever the upstream does, no measured client breaks: opencode does not loop, Gemini CLI does
not repeat, Codex does not fail.

Every client asks a whole Headstart over a real socket, for every upstream behaviour, before the
first word and in mid-answer, streaming and not: once with one healthy leg left, once with none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.cases import CaseProvider, Cases, Casting
from tests.fakes.client_wire import Reply
from tests.fakes.clients import (
    ALL,
    FOR_EVER,
    Aider,
    Client,
    Codex,
    Continue,
    OpenCode,
    Told,
)
from tests.fakes.fleet import hosted
from tests.fakes.script import Turn
from tests.journeys.client_rules import ANSWER, MIDDLE, ROWS, UPSTREAMS, Upstream
from tests.serving.live import headstart
from tests.serving.openai_reader import read_stream

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

MEASURED = Path(__file__).parents[3] / "shared" / "CLIENTS.md"
_HOSTED = {
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-4-argon",
    "deepseek": "deepseek-v4-pro",
}
# Whom a request reaches first, and how it is asked for. `draft` and upgrade answer in turn.
_ROUTES: dict[str, dict[str, Any]] = {
    **{name: {"model": f"{name}/{model}"} for name, model in _HOSTED.items()},
    "fast": {"model": "fast"},
    "draft": {"model": "auto", "headstart": {"threshold": 1.0}},
}
# Each hosted model twice (once more when it stalled), the draft, the rescue.
_MOST_LEGS = 2 * len(_HOSTED) + 2
_AT_ONCE = [name for name in UPSTREAMS if name != "stall"]
# Nobody who is healthy may be late, however busy the machine is: only those who stall are.
_PATIENT = {"fast_first_token": 5.0, "classifier": 5.0, "deep_first_sentence": 5.0, "stall": 5.0}
_BRISK = {"fast_first_token": 1.5, "classifier": 1.5, "deep_first_sentence": 1.5, "stall": 0.3}
_HASTY = dict.fromkeys(_PATIENT, 0.2)


@dataclass(frozen=True, slots=True)
class Play:
    """One question of one client: which leg it reaches first, where that breaks, how it reads."""

    client: Client
    route: str
    at: int
    stream: bool

    @property
    def healthy(self) -> str:
        """A leg that is never the first one asked."""
        if self.route == "fast" or (self.route == "draft" and self.at == 0):
            return "deepseek" if self.at else "anthropic"
        return "fast"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running Headstart with a fleet that does what each case wants."""

    url: str
    cases: Cases
    http: httpx.AsyncClient

    async def ask(self, play: Play, casting: Casting) -> tuple[Told, int]:
        """What the client got, and how many requests that cost the providers."""
        case = self.cases.add(casting)
        prompt = f"Tell me about the Rhine. case-{case}"
        body = {**_ROUTES[play.route], "messages": [{"role": "user", "content": prompt}]}
        told = await play.client.ask(self.http, self.url, body, stream=play.stream)
        return told, self.cases.asked[case]


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncGenerator[Stage]:
    async with _stage(_PATIENT) as running:
        yield running


@pytest.fixture(scope="module")
async def brisk(anyio_backend: str) -> AsyncGenerator[Stage]:
    async with _stage(_BRISK) as running:
        yield running


@pytest.fixture(scope="module")
async def hasty(anyio_backend: str) -> AsyncGenerator[Stage]:
    async with _stage(_HASTY) as running:
        yield running


@asynccontextmanager
async def _stage(deadlines: dict[str, float]) -> AsyncGenerator[Stage]:
    cases = Cases()
    fast = CaseProvider("fast", "vllm", cases, model="fast-model")
    fakes = {
        "anthropic": CaseProvider("anthropic", "anthropic", cases, model=_HOSTED["anthropic"]),
        "gemini": CaseProvider("gemini", "gemini", cases, model=_HOSTED["gemini"]),
        "deepseek": CaseProvider("deepseek", "deepseek", cases, model=_HOSTED["deepseek"]),
    }
    limits = httpx.Limits(max_connections=None)
    async with (
        hosted(fast=fast, **fakes) as fleet,
        headstart(fleet.settings | {"deadlines": deadlines}) as url,
        httpx.AsyncClient(limits=limits) as http,
    ):
        yield Stage(f"{url}/v1/chat/completions", cases, http)
        legs = [task for task in asyncio.all_tasks() if task.get_name().startswith("leg")]
        assert legs == []
        assert sum(fake.unanswered for fake in (fast, *fakes.values())) == 0


@pytest.mark.parametrize("name", _AT_ONCE)
async def test_with_one_healthy_leg_left_every_client_gets_the_answer_once(
    stage: Stage, name: str
) -> None:
    await _one_is_left(stage, name)


async def test_when_all_others_stall_every_client_gets_the_answer_once(brisk: Stage) -> None:
    await _one_is_left(brisk, "stall")


@pytest.mark.parametrize("name", _AT_ONCE)
async def test_with_no_leg_left_every_client_gets_one_clean_end(stage: Stage, name: str) -> None:
    await _nobody_is_left(stage, name)


async def test_when_all_legs_stall_every_client_gets_one_clean_end(hasty: Stage) -> None:
    await _nobody_is_left(hasty, "stall")


@pytest.mark.parametrize("name", ["429", "500"])
@pytest.mark.parametrize("kind", [Codex, Continue, Aider, OpenCode])
async def test_retries_for_ever_cost_each_provider_no_more_than_one_request_each(
    stage: Stage, name: str, kind: type[Client]
) -> None:
    play = Play(kind(), "fast", 0, stream=True)
    told, upstream = await stage.ask(play, lambda _: UPSTREAMS[name].turn(0))
    assert told.gave_up == ("429" if name == "429" else "5xx")
    assert told.requests <= 30
    assert upstream <= (len(_HOSTED) + 1) * told.requests
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in told.replies)


async def _one_is_left(stage: Stage, name: str) -> None:
    upstream, good = UPSTREAMS[name], Turn(answer=ANSWER)

    async def ask(play: Play) -> tuple[Told, int]:
        bad = upstream.turn(play.at)
        return await stage.ask(play, lambda provider: good if provider == play.healthy else bad)

    plays = _plays(upstream)
    for play, (told, asked) in zip(plays, await asyncio.gather(*map(ask, plays)), strict=True):
        assert (told.shown, told.gave_up, told.requests) == (ANSWER, None, 1), (play, told.replies)
        assert 1 <= asked <= _MOST_LEGS, play
        _check_clean(told.replies[0])


async def _nobody_is_left(stage: Stage, name: str) -> None:
    upstream = UPSTREAMS[name]

    async def ask(play: Play) -> tuple[Told, int]:
        return await stage.ask(play, lambda _: upstream.turn(play.at))

    plays = _plays(upstream, most=2)
    for play, (told, asked) in zip(plays, await asyncio.gather(*map(ask, plays)), strict=True):
        for reply in told.replies:
            _check_clean(reply)
        assert asked <= _MOST_LEGS * told.requests, play
        if _is_error(told.replies[0]):
            assert told.shown == "", play
        else:
            assert (told.gave_up, told.requests) == (None, 1), (play, told.replies)
            assert ANSWER.startswith(told.shown), play
        if upstream.borne:
            assert told.shown == ANSWER, play
        elif upstream.placed and play.at and name in _AT_ONCE:  # a stall may come before that
            assert told.shown, play


def _plays(upstream: Upstream, *, most: int = FOR_EVER) -> list[Play]:
    """Each client streams, on routes that take turns; a whole answer reads the same to all of
    them, so one client asks for it, on every route."""
    places = (0, MIDDLE) if upstream.placed else (0,)
    routes = cycle(_ROUTES)
    streamed = [Play(kind(most=most), next(routes), at, True) for kind in ALL for at in places]
    whole = [Play(Client(most=most), route, at, False) for route in _ROUTES for at in places]
    return streamed + whole


def _check_clean(reply: Reply) -> None:
    """One finish, or one error in the dialect's shape that says whether and when to ask again."""
    assert reply.cut is None
    if reply.status >= 400:
        _check_error(json.loads(reply.body))
        again = reply.headers["x-should-retry"] == "true"
        assert not again or int(reply.headers["retry-after"]) >= 1
    elif _is_error(reply):
        events = [e for e in reply.body.decode().split("\n\n") if not e.startswith(":")]
        _check_error(json.loads(events[0].removeprefix("data: ")))
        assert events[1:] == ["data: [DONE]", ""]
    elif reply.streamed:
        read = read_stream(reply.body)
        assert "event:" not in reply.body.decode().replace(ANSWER, "")
        assert read.finish in ("stop", "length")
    else:
        body = json.loads(reply.body)
        [choice] = body["choices"]
        assert choice["finish_reason"] in ("stop", "length")
        assert body["id"]


def _is_error(reply: Reply) -> bool:
    """By its status, or told in a stream that a keep-alive had opened."""
    return reply.status >= 400 or b'data: {"error"' in reply.body


def _check_error(body: Any) -> None:
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code", "origin"}


def test_every_measured_row_is_covered() -> None:
    assert {name for names in ROWS.values() for name in names} == UPSTREAMS.keys()
    if MEASURED.exists():
        table = MEASURED.read_text().partition("## What breaks them")[2]
        lines = [line for line in table.splitlines()[3:] if line.startswith("| ")]
        rows = {line.split(" | ")[0].removeprefix("| ") for line in lines}
        assert rows == ROWS.keys()
