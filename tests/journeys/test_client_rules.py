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
from tests.journeys.client_rules import ANSWER, MIDDLE, ROWS, UPSTREAMS
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
_DEADLINES = {
    "fast_first_token": 2.0,
    "classifier": 2.0,
    "deep_first_sentence": 2.0,
    "stall": 0.3,
    "request": 30.0,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running Headstart with a fleet that does what each case wants."""

    url: str
    cases: Cases
    http: httpx.AsyncClient

    async def play(
        self, client: Client, route: str, casting: Casting, *, stream: bool
    ) -> tuple[Told, int]:
        """What the client got, and how many requests that cost the providers."""
        case = self.cases.add(casting)
        prompt = f"Tell me about the Rhine. case-{case}"
        body = {**_ROUTES[route], "messages": [{"role": "user", "content": prompt}]}
        told = await client.ask(self.http, self.url, body, stream=stream)
        return told, self.cases.asked[case]


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncGenerator[Stage]:
    async with _stage(_DEADLINES) as running:
        yield running


@pytest.fixture(scope="module")
async def hasty(anyio_backend: str) -> AsyncGenerator[Stage]:
    """Waits for nobody: for cases in which nobody comes."""
    async with _stage(dict.fromkeys(_DEADLINES, 0.2) | {"request": 30.0}) as running:
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


def _plays(name: str, *, most: int = FOR_EVER) -> list[tuple[Client, str, int, bool]]:
    """Client, route, place, streaming: each client streams, on routes that take turns; a whole
    answer reads the same to all of them, so one asks for it on every route."""
    places = (0, MIDDLE) if UPSTREAMS[name].placed else (0,)
    routes = cycle(_ROUTES)
    streamed = [(kind(most=most), next(routes), at, True) for kind in ALL for at in places]
    whole = [(Client(most=most), route, at, False) for route in _ROUTES for at in places]
    return streamed + whole


def _healthy(route: str, at: int) -> str:
    """The one leg that is left: never the first one asked."""
    if route == "fast" or (route == "draft" and at == 0):
        return "deepseek" if at else "anthropic"
    return "fast"


@pytest.mark.parametrize("name", UPSTREAMS)
async def test_with_one_healthy_leg_left_every_client_gets_the_answer_once(
    stage: Stage, name: str
) -> None:
    plays = _plays(name)

    async def play(client: Client, route: str, at: int, stream: bool) -> tuple[Told, int]:
        healthy = _healthy(route, at)
        bad = UPSTREAMS[name].turn(at)
        return await stage.play(
            client, route, lambda p: Turn(answer=ANSWER) if p == healthy else bad, stream=stream
        )

    results = await asyncio.gather(*(play(*each) for each in plays))
    for (client, route, at, stream), (told, upstream) in zip(plays, results, strict=True):
        where = (type(client).__name__, route, at, stream, told.replies[0])
        assert (told.shown, told.gave_up, told.requests) == (ANSWER, None, 1), where
        assert 1 <= upstream <= _MOST_LEGS, where
        _check_clean(told.replies[0])


@pytest.mark.parametrize("name", [name for name in UPSTREAMS if name != "stall"])
async def test_with_no_leg_left_every_client_gets_one_clean_end(stage: Stage, name: str) -> None:
    await _nobody_is_left(stage, name)


async def test_when_all_legs_stall_every_client_gets_one_clean_end(hasty: Stage) -> None:
    await _nobody_is_left(hasty, "stall")


async def _nobody_is_left(stage: Stage, name: str) -> None:
    behaviour = UPSTREAMS[name]
    plays = _plays(name, most=2)

    async def play(client: Client, route: str, at: int, stream: bool) -> tuple[Told, int]:
        return await stage.play(client, route, lambda _: behaviour.turn(at), stream=stream)

    results = await asyncio.gather(*(play(*each) for each in plays))
    for (client, route, at, stream), (told, upstream) in zip(plays, results, strict=True):
        where = (type(client).__name__, route, at, stream, told.replies[0])
        assert upstream <= _MOST_LEGS * told.requests, where
        for reply in told.replies:
            _check_clean(reply)
        if _is_error(told.replies[0]):
            assert told.shown == "", where
        else:
            assert (told.gave_up, told.requests) == (None, 1), where
            assert ANSWER.startswith(told.shown), where
        if behaviour.borne:
            assert told.shown == ANSWER, where
        elif behaviour.placed and at:
            assert told.shown, where


@pytest.mark.parametrize("name", ["429", "500"])
@pytest.mark.parametrize("kind", [Codex, Continue, Aider, OpenCode])
async def test_retries_for_ever_cost_the_providers_no_more_than_one_request_each(
    stage: Stage, name: str, kind: type[Client]
) -> None:
    told, upstream = await stage.play(
        kind(), "fast", lambda _: UPSTREAMS[name].turn(0), stream=True
    )
    assert told.gave_up == ("429" if name == "429" else "5xx")
    assert told.requests <= 30
    assert upstream <= (len(_HOSTED) + 1) * told.requests
    assert {reply.headers["retry-after"] for reply in told.replies} == {"5"}


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
