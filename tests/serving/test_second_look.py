"""The draft's first sentence decides with the prompt, and own tasks route, through the whole server."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from classifier.draft import FEWEST
from tests.fakes.fleet import FakeFleet, deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.serving.live import headstart, http

pytestmark = pytest.mark.anyio
_ANSWER = "The Rhine rises in the Alps. It flows through six countries before it reaches the sea."
_LEASE = "Which clause of this lease lets the tenant sublet flat {} to a friend?"


def _settings(fleet: FakeFleet, **classifier: Any) -> dict[str, Any]:
    own = {**fleet.settings.get("classifier", {}), **classifier}
    return fleet.settings | {"classifier": own}


async def _ask(client: httpx.AsyncClient, text: str, **ours: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    body = {"model": "auto", "messages": messages, "headstart": ours}
    return await client.post("/v1/chat/completions", json=body)


async def _became(client: httpx.AsyncClient, **ours: Any) -> tuple[str, str]:
    """Who answered one more question, and why."""
    reply = await _ask(client, "Tell me about the Rhine.", **ours)
    assert reply.json()["choices"][0]["message"]["content"] == _ANSWER
    return reply.headers["x-headstart-route"], reply.headers["x-headstart-because"]


@pytest.mark.parametrize("second_look", [True, False])
async def test_a_draft_less_sure_than_this_engine_mostly_is_goes_deep(second_look: bool) -> None:
    usual = [Turn(answer=_ANSWER, logprob=-0.2 - 0.01 * (i % 5)) for i in range(FEWEST)]
    unsure = Turn(answer=_ANSWER, logprob=-1.2)
    async with (
        hosted(fast=engine(*usual, unsure), deepseek=deepseek(_ANSWER)) as fleet,
        headstart(_settings(fleet, second_look=second_look)) as url,
        http(url) as client,
    ):
        first = {await _became(client, threshold=0.5) for _ in range(FEWEST)}
        route, because = await _became(client, threshold=0.5)
    assert {route for route, _ in first} == {"fast"}
    assert route == ("deep" if second_look else "fast")
    assert ("with the draft's own words" in because) is second_look


async def test_a_task_of_ones_own_has_its_own_order_and_may_be_named() -> None:
    examples = [_LEASE.format(number) for number in ("one", "seven", "twelve", "40b")]
    async with hosted(fast=engine(_ANSWER), deepseek=deepseek(_ANSWER)) as fleet:
        settings = _settings(fleet, tasks={"leases": {"examples": examples}})
        settings["classifier"]["thresholds"] = {"leases": 1.0, "chat": 0.0}
        async with headstart(settings) as url, http(url) as client:
            found = await _ask(client, _LEASE.format("nine"))
            named = await _ask(client, "Hello!", task="leases")
            other = await _ask(client, "Hello!", task="chat")
            unknown = await _ask(client, "Hello!", task="poetry")
    assert [reply.headers["x-headstart-task"] for reply in (found, named, other)] == [
        "leases",
        "leases",
        "chat",
    ]
    assert [reply.headers["x-headstart-route"] for reply in (found, named, other)] == [
        "deep",
        "deep",
        "fast",
    ]
    assert unknown.status_code == 400
    assert unknown.json()["error"]["param"] == "headstart.task"
    assert "'poetry' is not a task. Use one of chat, knowledge," in unknown.text
    assert "leases" in unknown.text
