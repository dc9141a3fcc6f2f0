"""Who is asked, through the whole server: used-up allowances, equals, rivals, a task's own bar."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.clients import Codex
from tests.fakes.delivery import Delivery
from tests.fakes.faults import Fault
from tests.fakes.fleet import FakeFleet, claude, deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.serving.live import headstart, http

pytestmark = pytest.mark.anyio
_ANSWER = "The Rhine rises in the Alps. It flows through six countries before it reaches the sea."
_DEEPSEEK, _CLAUDE = "deepseek/deepseek-v4-pro", "anthropic/claude-sonnet-5-5"


def _settings(fleet: FakeFleet, **sections: dict[str, Any]) -> dict[str, Any]:
    """The fleet's settings with some of these sections changed."""
    settings: dict[str, Any] = {**fleet.settings}
    for name, section in sections.items():
        settings[name] = {**settings.get(name, {}), **section}
    return settings


async def _ask(client: httpx.AsyncClient, model: str = "deep", **ours: Any) -> dict[str, Any]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Tell me about the Rhine."}],
        "headstart": ours,
    }
    reply = await client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _who(answer: dict[str, Any]) -> list[str]:
    return [leg["provider"] for leg in answer["headstart"]["legs"]]


async def test_who_has_nothing_left_rests_until_the_reset() -> None:
    used_up = Turn(
        answer=_ANSWER,
        headers=(
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m30s"),
        ),
    )
    async with (
        hosted(
            fast=engine(_ANSWER), deepseek=deepseek(used_up), anthropic=claude(_ANSWER)
        ) as fleet,
        headstart(fleet.settings) as url,
        http(url) as client,
    ):
        first, second = await _ask(client), await _ask(client)
        health = (await client.get("/v1/providers")).json()[_DEEPSEEK]

    assert (_who(first), _who(second)) == (["deepseek"], ["anthropic"])
    assert 80 < health["rests_for"] <= 90
    assert health["rests_because"] == "x-ratelimit-remaining-requests"
    assert (health["state"], health["failure_share"], health["last_error"]) == ("open", 0.0, "")


async def test_equals_share_the_requests_and_providers_shows_how() -> None:
    slow = Turn(answer=_ANSWER, delivery=Delivery(first_byte_delay=0.2))
    async with hosted(
        fast=engine(_ANSWER), deepseek=deepseek(_ANSWER), anthropic=claude(slow)
    ) as fleet:
        deep = {"order": [[_DEEPSEEK, _CLAUDE]], "weights": {"price": 0}}
        async with headstart(_settings(fleet, deep=deep)) as url, http(url) as client:
            before = (await client.get("/v1/providers")).json()
            asked = [_who(await _ask(client))[0] for _ in range(40)]
            after = (await client.get("/v1/providers")).json()

    assert before[_DEEPSEEK]["shares"] == before[_CLAUDE]["shares"] == {"order": 0.5}
    assert before[_DEEPSEEK]["asked"] == 0
    assert {"deepseek", "anthropic"} == set(asked)
    quick, late = (after[name]["shares"]["order"] for name in (_DEEPSEEK, _CLAUDE))
    assert quick + late == pytest.approx(1.0)
    assert quick > late > 0


async def test_a_decision_tells_the_shares() -> None:
    async with hosted(
        fast=engine(_ANSWER), deepseek=deepseek(_ANSWER), anthropic=claude(_ANSWER)
    ) as fleet:
        deep = {"order": [[_DEEPSEEK, _CLAUDE]]}
        async with headstart(_settings(fleet, deep=deep)) as url, http(url) as client:
            body = {"model": "deep", "messages": [{"role": "user", "content": "Why?"}]}
            plan = (await client.post("/v1/route", json=body)).json()["plan"]
    assert set(plan["shares"]) == {_DEEPSEEK, _CLAUDE}
    assert sum(plan["shares"].values()) == pytest.approx(1.0)
    assert plan["shares"][_DEEPSEEK] > plan["shares"][_CLAUDE], "it is the cheaper one"


async def test_a_rival_starts_when_the_first_is_slower_than_it_mostly_is() -> None:
    usual = Turn(answer=_ANSWER, delivery=Delivery(first_byte_delay=0.15))
    mute = Turn(answer=_ANSWER, fault=Fault(kind="stall"))
    first, second = deepseek(*[usual] * 6, mute), claude(_ANSWER)
    async with hosted(fast=engine(_ANSWER), deepseek=first, anthropic=second) as fleet:
        hedged = _settings(fleet, deep={"hedge": True})
        async with headstart(hedged) as url, http(url) as client:
            for _ in range(6):
                await _ask(client)
            known = len(second.requests)
            p95 = (await client.get("/v1/providers")).json()[_DEEPSEEK]["first_event_p95"]
            answer = await _ask(client)
            slow, rival = first.requests[-1], second.requests[-1]
            await first.until(lambda: slow.connection.closed is not None)

    assert answer["choices"][0]["message"]["content"] == _ANSWER
    legs = [(x["provider"], x["opened_because"], x["finish"]) for x in answer["headstart"]["legs"]]
    assert legs == [("deepseek", "plan", "stopped"), ("anthropic", "slow", "stop")]
    assert len(second.requests) == known + 1
    assert p95 > 0.15
    assert p95 - 0.02 < rival.arrived - slow.arrived < p95 + 2.0
    assert slow.connection.closed_by == "client", "the loser is not paid for any longer"


async def test_a_task_has_a_bar_of_its_own() -> None:
    draft = Turn(answer="It rises in the Alps. It is long.", logprob=-0.3)
    relay = {"tasks": {"code": {"min_mean_logprob": -0.2}}}
    async with (
        hosted(fast=engine(draft), deepseek=deepseek(_ANSWER)) as fleet,
        headstart(_settings(fleet, relay=relay)) as url,
        http(url) as client,
    ):
        chat = await _ask(client, "auto", threshold=0.0, task="chat")
        code = await _ask(client, "auto", threshold=0.0, task="code")

    assert _who(chat) == ["local"]
    assert _who(code) == ["local", "deepseek"]
    assert code["choices"][0]["message"]["content"] == _ANSWER
    assert code["headstart"]["because"] == (
        "the draft is unsure of itself for code (mean log-probability -0.30 < -0.20)"
    )


@pytest.mark.parametrize("status", [429, 529])
async def test_the_only_host_that_is_busy_once_answers_a_client_that_gives_up_at_429(
    status: int,
) -> None:
    busy = Turn(fault=Fault(kind="status", status=status, retry_after=0.2))
    async with (
        hosted(fast=engine(_ANSWER), anthropic=claude(busy, _ANSWER)) as fleet,
        headstart(fleet.settings) as url,
        httpx.AsyncClient(timeout=10) as client,
    ):
        body = {"model": "auto", "messages": [{"role": "user", "content": "word " * 9_000}]}
        told = await Codex().ask(client, f"{url}/v1/chat/completions", body, stream=True)
    assert (told.gave_up, told.requests, told.shown) == (None, 1, _ANSWER)
