"""Learning from traffic through the whole server: feedback, repeated questions, shadows, arms."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from classifier.assessment import TASKS
from classifier.draft import FEWEST, load_shipped
from models.stream import Usage
from router.learning.samples import SampleRow, read_samples
from tests.fakes.delivery import Delivery
from tests.fakes.fleet import FakeFleet, claude, deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.fakes.telemetry import RecordedTelemetry
from tests.serving.live import headstart

pytestmark = pytest.mark.anyio
_FAST = "The Rhine rises in the Alps and flows into the North Sea."
_DEEP = "From the Swiss Alps to Rotterdam, some 1,233 km."
_KEYS = {"laptop": "key-one", "phone": "key-two"}


def settings(fleet: FakeFleet, **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Every question goes to the fast tier, unless a section says otherwise."""
    base: dict[str, Any] = {**fleet.settings}
    base["classifier"] = {**base["classifier"], "threshold": 0.0}
    return base | {name: {**base.get(name, {}), **section} for name, section in sections.items()}


def ask(text: str = "Tell me about the Rhine.", **more: Any) -> dict[str, Any]:
    """A question to the router."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}


def samples(fleet: FakeFleet) -> list[SampleRow]:
    """What tuning would read."""
    return read_samples(fleet.folder / "outcomes.db", 0.0)


def rows(fleet: FakeFleet, table: str) -> list[dict[str, Any]]:
    """Everything in one table."""
    with closing(sqlite3.connect(fleet.folder / "outcomes.db")) as connection:
        connection.row_factory = sqlite3.Row
        query = f"SELECT * FROM {table} ORDER BY created, rowid"
        return [dict(row) for row in connection.execute(query)]


async def until(fact: Callable[[], bool]) -> None:
    """Wait for what happens behind the answers: another process's file has no event to wait for."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def until_compared(fleet: FakeFleet) -> dict[str, Any]:
    """The first comparison, once it is stored."""
    await until(lambda: bool(rows(fleet, "comparisons")))
    return rows(fleet, "comparisons")[0]


def counted(recorded: RecordedTelemetry) -> bool:
    """True once a comparison, or the reason for none, is in the metrics."""
    return bool(recorded.points("headstart.comparisons"))


async def test_feedback_reaches_the_samples_whenever_it_comes() -> None:
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP)) as fleet:
        wanted = settings(fleet, server={"client_keys": _KEYS})
        async with headstart(wanted) as url, httpx.AsyncClient(base_url=url) as client:
            mine, other = ({"authorization": f"Bearer {key}"} for key in _KEYS.values())
            first = await client.post("/v1/chat/completions", json=ask(), headers=mine)
            given = {
                "id": first.headers["x-headstart-id"],
                "thumbs": "down",
                "comment": "too short",
            }
            at_once = await client.post("/v1/feedback", json=given, headers=mine)
            foreign = await client.post("/v1/feedback", json=given, headers=other)
            unknown = await client.post(
                "/v1/feedback", json=given | {"id": "hs-nothing"}, headers=mine
            )
            wrong_leg = await client.post(
                "/v1/feedback", json={"id": given["id"], "preferred": 7}, headers=mine
            )
            leg = await client.post(
                "/v1/feedback", json={"id": given["id"], "preferred": 0}, headers=mine
            )
            async with client.stream(
                "POST", "/v1/chat/completions", json=ask("And the Elbe?", stream=True), headers=mine
            ) as stream:
                early = await client.post(
                    "/v1/feedback",
                    json={"id": stream.headers["x-headstart-id"], "score": 0.25},
                    headers=mine,
                )
                await stream.aread()
        assert (at_once.status_code, at_once.json()["value"]) == (200, 0.0)
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "not_yours")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "outcome_not_found")
        assert (wrong_leg.status_code, leg.json()["leg"]) == (400, "fast")
        assert early.status_code == 200
        rhine, elbe = samples(fleet)
        assert (rhine.id, rhine.fast_quality, rhine.rating) == (given["id"], 1.0, 1.0)
        assert (elbe.fast_quality, elbe.deep_quality, elbe.weight) == (0.25, None, 1.0)


async def test_a_sample_of_real_traffic_is_complete() -> None:
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP)) as fleet:
        async with headstart(settings(fleet)) as url, httpx.AsyncClient(base_url=url) as client:
            await client.post("/v1/chat/completions", json=ask(headstart={"task": "knowledge"}))
        (row,) = samples(fleet)
    assert (row.route, row.asked_task, row.experiment) == ("fast", "knowledge", "")
    assert (row.draft_mean, row.draft_minimum) == (pytest.approx(-0.1), pytest.approx(-0.1))
    assert len(row.embedding) % 4 == 0
    assert len(row.embedding) > 0
    # It may be shown after eight sure tokens; what is kept is of the whole sentence all the same.
    assert row.draft_tokens > 8
    assert row.draft_signals is not None
    assert row.draft_signals.total == pytest.approx(-((0.1 * row.draft_tokens) ** 0.5))
    assert row.p_prompt == row.fast_until == row.p_fast
    assert row.draft_judge == load_shipped().version
    assert row.judged_task in TASKS
    assert (row.named_task, row.draft_model) == ("knowledge", "fast-model")


async def test_a_mistaken_task_is_corrected_by_feedback() -> None:
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP)) as fleet:
        async with headstart(settings(fleet)) as url, httpx.AsyncClient(base_url=url) as client:
            asked = await client.post("/v1/chat/completions", json=ask())
            given = {"id": asked.headers["x-headstart-id"], "task": "creative"}
            alone = await client.post("/v1/feedback", json=given)
            beside = await client.post("/v1/feedback", json=given | {"thumbs": "down"})
            unknown = await client.post("/v1/feedback", json=given | {"task": "poetry"})
        (row,) = samples(fleet)
    assert (alone.json()["kind"], alone.json()["value"], alone.json()["task"]) == (
        "task",
        None,
        "creative",
    )
    assert (beside.json()["kind"], beside.json()["task"]) == ("thumbs", "creative")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "task")
    assert "'poetry' is not a task. Use one of chat, knowledge," in unknown.text
    assert row.judged_task in TASKS
    assert row.judged_task == row.task
    assert (row.named_task, row.fast_quality) == ("creative", 0.0)


async def test_what_a_threshold_of_yesterday_kept_tells_of_todays() -> None:
    """The second look moves the chance; the draft that it moved is fast up to there, and no more."""
    usual = [Turn(answer=_FAST, logprob=-0.2 - 0.01 * (i % 5)) for i in range(FEWEST)]
    unsure = Turn(answer=_FAST, logprob=-0.6)
    routes: list[str] = []
    async with (
        hosted(fast=engine(*usual, unsure), anthropic=claude(_DEEP)) as fleet,
        headstart(settings(fleet, relay={"early_tokens": 0})) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        for _ in range(FEWEST + 1):
            await client.post("/v1/chat/completions", json=ask())
        await until(lambda: len(samples(fleet)) == FEWEST + 1)
        last = samples(fleet)[-1]
        assert last.fast_until is not None
        for over in (-0.02, 0.02):
            again = ask(headstart={"threshold": last.fast_until + over})
            reply = await client.post("/v1/chat/completions", json=again)
            routes.append(reply.headers["x-headstart-route"])
    assert last.p_prompt is not None
    assert last.fast_until == last.p_fast < last.p_prompt
    assert routes == ["fast", "deep"]


async def test_a_shadow_comparison_has_its_verdict_and_its_bill() -> None:
    recorded = RecordedTelemetry()
    verdicts = (Turn(answer=letter) for letter in ("[[B]]", "[[A]]"))
    deep = claude(Turn(answer=_DEEP, usage=Usage(input=1000, output=100)), *verdicts)
    async with hosted(fast=engine(_FAST), anthropic=deep) as fleet:
        wanted = settings(fleet, learning={"shadow_rate": 1.0})
        async with (
            headstart(wanted, recorded.telemetry) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            reply = await client.post("/v1/chat/completions", json=ask())
            row = await until_compared(fleet)
        (sample,) = samples(fleet)
    assert reply.json()["choices"][0]["message"]["content"] == _FAST
    assert len(reply.json()["headstart"]["legs"]) == 1
    assert (row["fast_quality"], row["deep_quality"]) == (0.0, 1.0)
    assert row["judge"] == row["model"] == "anthropic/claude-sonnet-5-5"
    assert 0 < float(row["deep_usd"]) < float(row["cost_usd"])
    assert row["outcome_id"] == reply.headers["x-headstart-id"] == sample.id
    assert (sample.fast_quality, sample.deep_quality) == (0.0, 1.0)
    assert (sample.usd, sample.deep_usd) == (0.0, float(row["deep_usd"]))
    judged = [request.body.decode() for request in deep.requests[-2:]]
    assert all(_FAST in body and _DEEP in body for body in judged)
    assert [body.index(_FAST) < body.index(_DEEP) for body in judged] == [True, False]
    (point,) = recorded.points("headstart.comparisons")
    assert point.attributes == {"headstart.comparison.verdict": "deep"}


async def test_todays_budget_holds_over_a_restart() -> None:
    dear = Turn(answer=_DEEP, usage=Usage(input=200_000, output=1000))
    deep = claude(dear, "[[C]]", "[[C]]")
    async with hosted(fast=engine(_FAST), anthropic=deep) as fleet:
        wanted = settings(fleet, learning={"shadow_rate": 1.0, "shadow_budget_usd": 0.2})
        before, after = RecordedTelemetry(), RecordedTelemetry()
        for recorded in (before, after):
            async with (
                headstart(wanted, recorded.telemetry) as url,
                httpx.AsyncClient(base_url=url) as client,
            ):
                await client.post("/v1/chat/completions", json=ask())
                await until(partial(counted, recorded))
        (only,) = rows(fleet, "comparisons")
    assert float(only["cost_usd"]) > 0.2
    assert len(deep.requests) == 3
    (point,) = after.points("headstart.comparisons")
    assert point.attributes == {"headstart.comparison.verdict": "budget"}


async def test_stopping_ends_a_shadow_and_keeps_its_bill() -> None:
    endless = Turn(answer=_DEEP, delivery=Delivery(pauses=(0.0,), pause=30.0))
    deep = claude(endless)
    async with hosted(fast=engine(_FAST), anthropic=deep) as fleet:
        wanted = settings(fleet, learning={"shadow_rate": 1.0})
        async with headstart(wanted) as url, httpx.AsyncClient(base_url=url) as client:
            reply = await client.post("/v1/chat/completions", json=ask())
            await deep.received(1)
        await deep.closed(5)
        (row,) = rows(fleet, "comparisons")
    assert reply.json()["choices"][0]["message"]["content"] == _FAST
    assert (row["fast_quality"], row["deep_usd"]) == (None, None)
    assert row["input_tokens"] > 0
    assert float(row["cost_usd"]) > 0


async def test_a_shadow_that_fails_leaves_the_answer_alone() -> None:
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP, "I cannot tell.")) as fleet:
        wanted = settings(fleet, learning={"shadow_rate": 1.0})
        async with headstart(wanted) as url, httpx.AsyncClient(base_url=url) as client:
            reply = await client.post("/v1/chat/completions", json=ask())
            row = await until_compared(fleet)
    assert reply.json()["choices"][0]["message"]["content"] == _FAST
    assert (row["fast_quality"], row["deep_quality"]) == (None, None)


async def test_only_fast_answers_that_we_chose_are_compared_and_none_unless_set() -> None:
    deep = claude(_DEEP)
    async with hosted(fast=engine(_FAST), anthropic=deep) as fleet:
        for learning, question in (
            ({"shadow_rate": 1.0}, ask(model="fast")),
            ({}, ask()),
        ):
            wanted = settings(fleet, learning=learning)
            async with headstart(wanted) as url, httpx.AsyncClient(base_url=url) as client:
                await client.post("/v1/chat/completions", json=question)
        assert deep.requests == []


async def test_another_judge_compares() -> None:
    deep, judge = claude(_DEEP), deepseek("[[A]]", "[[B]]")
    async with hosted(fast=engine(_FAST), anthropic=deep, deepseek=judge) as fleet:
        learning = {"shadow_rate": 1.0, "judge": "deepseek/deepseek-v4-pro"}
        async with (
            headstart(settings(fleet, learning=learning)) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            await client.post("/v1/chat/completions", json=ask())
            row = await until_compared(fleet)
    assert (len(deep.requests), len(judge.requests)) == (1, 2)
    assert (row["judge"], row["fast_quality"]) == ("deepseek/deepseek-v4-pro", 1.0)


async def test_conversations_share_two_thresholds_and_stay_in_their_arm() -> None:
    recorded = RecordedTelemetry()
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP)) as fleet:
        learning = {"experiment": {"threshold": 1.0, "share": 0.4}}
        async with (
            headstart(settings(fleet, learning=learning), recorded.telemetry) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            replies = [
                await client.post("/v1/chat/completions", json=ask(f"What is {number}?"))
                for number in (*range(20), *range(20))
            ]
            own = ask("What is 1?", headstart={"threshold": 0.5})
            outside = await client.post("/v1/chat/completions", json=own)
        found = samples(fleet)
    arms = [row.experiment for row in found[:40]]
    assert arms[:20] == arms[20:]
    assert 3 <= arms[:20].count("b") <= 13
    assert {(row.experiment, row.route, row.threshold) for row in found[:40]} == {
        ("a", "fast", 0.0),
        ("b", "deep", 1.0),
    }
    assert [reply.headers["x-headstart-because"][-7:] for reply in replies] == [
        f" arm {arm})" for arm in arms
    ]
    assert found[40].experiment == ""
    assert "arm" not in outside.headers["x-headstart-because"]
    by_arm: dict[str, float] = {}
    for point in recorded.points("headstart.requests"):
        arm = point.attributes.get("headstart.experiment", "")
        by_arm[arm] = by_arm.get(arm, 0) + point.value
    assert by_arm == {"a": arms.count("a"), "b": arms.count("b"), "": 1}


async def test_an_old_store_is_served_and_learns_on() -> None:
    old = Path(__file__).parents[1] / "router" / "data" / "outcomes-schema-1.sql"
    async with hosted(fast=engine(_FAST), anthropic=claude(_DEEP)) as fleet:
        with closing(sqlite3.connect(fleet.folder / "outcomes.db")) as connection:
            connection.executescript(old.read_text())
        wanted = settings(fleet, server={"client_keys": _KEYS})
        async with headstart(wanted) as url, httpx.AsyncClient(base_url=url) as client:
            mine = {"authorization": "Bearer key-one"}
            given = {"id": "hs-fast", "preferred": "deep"}
            reply = await client.post("/v1/feedback", json=given, headers=mine)
            await client.post("/v1/chat/completions", json=ask(), headers=mine)
        assert reply.status_code == 200
        known = {row.id: (row.fast_quality, row.deep_quality) for row in samples(fleet)}
    assert known["hs-fast"] == (0.0, 1.0)
    assert len(known) == 3
