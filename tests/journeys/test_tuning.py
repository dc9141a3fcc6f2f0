"""Tune a server that runs: the next request is decided by the new threshold."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from anyio import to_thread

from classifier.draft import DraftSignals, load_shipped
from router.learning.records import Feedback
from router.outcomes import SqliteOutcomes
from router.plan import Looks
from serving.__main__ import main
from tests.fakes.fleet import FakeFleet, deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.router.ledger_world import FAST, PLAN, leg, outcome
from tests.serving.live import headstart, http

pytestmark = pytest.mark.anyio
_ENGINE = replace(FAST, card=replace(FAST.card, id="fast-model"))
_ANSWER = "The Rhine rises in the Alps. It flows through six countries before it reaches the sea."
_QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "Tell me about the Rhine."}]}


def _tuned(fleet: FakeFleet) -> Path:
    return fleet.folder / "headstart.tuned.toml"


def _settings(fleet: FakeFleet) -> dict[str, Any]:
    """Everything goes deep, until it is tuned."""
    own = {"model": "embedding", "threshold": 1.0, "tuned": str(_tuned(fleet))}
    fleet.settings["classifier"] = own
    (fleet.folder / "headstart.toml").write_text(fleet.toml)
    return fleet.settings


def _tune(folder: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["tune", "--config", str(folder / "headstart.toml"), *arguments])
    return int(str(ended.value.code))


def _data(folder: Path) -> str:
    """Prompts that were scored: the fast tier is as good as the deep one but for a few."""
    path = folder / "my.jsonl"
    rows = [{"p_fast": 0.02 + i / 1030, "fast": i % 200 > 0, "deep": 1} for i in range(1000)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


async def _plan(client: httpx.AsyncClient) -> dict[str, Any]:
    reply = await client.post("/v1/route", json=_QUESTION)
    assert reply.status_code == 200, reply.text
    return reply.json()["plan"]


async def _ask_until(client: httpx.AsyncClient, done: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(30):
        while not done(await _plan(client)):
            pass


async def test_tune_apply_and_the_next_request(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        hosted(fast=engine(_ANSWER), deepseek=deepseek(_ANSWER)) as fleet,
        headstart(_settings(fleet)) as url,
        http(url) as client,
    ):
        before = await _plan(client)
        data = _data(fleet.folder)
        arguments = ("--data", data, "--max-drop", "0.05", "--apply")
        assert await to_thread.run_sync(_tune, fleet.folder, *arguments) == 0
        await _ask_until(client, lambda plan: plan["threshold"] < 1)
        reply = await client.post("/v1/chat/completions", json=_QUESTION)

    assert (before["route"], before["threshold"]) == ("deep", 1.0)
    assert reply.headers["x-headstart-route"] == "fast"
    assert f"tuned {datetime.now(UTC):%Y-%m}" in reply.headers["x-headstart-because"]
    assert "thresholds: 1 -> 0.02" in caplog.text
    assert "from 1,000 samples" in caplog.text


async def test_a_broken_file_changes_nothing_and_no_file_is_the_way_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with hosted(fast=engine(_ANSWER), deepseek=deepseek(_ANSWER)) as fleet:
        settings = _settings(fleet)
        data = _data(fleet.folder)
        arguments = ("--data", data, "--deep-share", "0.5", "--apply")
        assert await to_thread.run_sync(_tune, fleet.folder, *arguments) == 0
        async with headstart(settings) as url, http(url) as client:
            tuned = await _plan(client)
            _tuned(fleet).write_text("threshold = [")
            await _ask_until(client, lambda plan: _errors(caplog) > 0)
            broken = await _plan(client)
            _tuned(fleet).unlink()
            await _ask_until(client, lambda plan: plan["threshold"] == 1.0)

    assert 0.4 < tuned["threshold"] < 0.6
    assert broken["threshold"] == tuned["threshold"]
    assert _errors(caplog) == 1
    assert "headstart.tuned.toml is gone" in caplog.text


def _heard(folder: Path, size: int) -> None:
    """Drafts that this engine gave lately: half of them under -0.5 a token, and those mostly bad."""
    dice = np.random.default_rng(0)
    store = SqliteOutcomes(folder / "outcomes.db")
    now = datetime.now(UTC).timestamp()
    for i in range(size):
        mean = float(dice.normal(-0.5, 0.2))
        good = dice.random() < (0.95 if mean > -0.5 else 0.1)
        signals = DraftSignals(mean=mean, minimum=2 * mean)
        store.record(
            outcome(
                id=f"hs-{i}",
                created=now - size + i,
                plan=replace(PLAN, route="fast", task="chat", p_fast=0.7, threshold=0.5),
                legs=[leg(_ENGINE, role="draft", cost_usd=Decimal(0))],
                embedding=i.to_bytes(4, "big"),
                looks=Looks(p_prompt=0.7, p_draft=0.7, signals=signals),
            )
        )
        said = Feedback(outcome_id=f"hs-{i}", created=now, kind="thumbs", value=good, leg="fast")
        store.note(said)
    store.close()


async def test_the_judge_of_drafts_learns_from_traffic_and_the_server_takes_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A draft as unsure as those that were bad is fast before, and deep after."""

    async def route() -> tuple[str, str]:
        question = _QUESTION | {"headstart": {"task": "chat", "threshold": 0.3}}
        reply = await client.post("/v1/chat/completions", json=question)
        return reply.headers["x-headstart-route"], reply.headers["x-headstart-because"]

    unsure = Turn(answer=_ANSWER, logprob=-1.1)
    async with hosted(fast=engine(unsure), deepseek=deepseek(_ANSWER)) as fleet:
        settings = _settings(fleet)
        settings["classifier"]["drafts"] = str(fleet.folder / "headstart.draft.json")
        settings["relay"] = {"early_tokens": 0}
        (fleet.folder / "headstart.toml").write_text(fleet.toml)
        async with headstart(settings) as url, http(url) as client:
            _heard(fleet.folder, 300)
            before = await route()
            for arguments in (("--dry-run",), ()):
                assert await to_thread.run_sync(_tune, fleet.folder, "--retrain", *arguments) == 0
            async with asyncio.timeout(30):
                while (await route())[0] == "fast":  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.05)
            after = await route()
            assert await to_thread.run_sync(_tune, fleet.folder, "--retrain") == 0
            (fleet.folder / "headstart.draft.json").unlink()
            async with asyncio.timeout(30):
                while (await route())[0] == "deep":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    said = capsys.readouterr().out.splitlines()
    dry, written, again = [line for line in said if "refitted judge of drafts" in line]
    version = load_shipped().version
    assert before[0] == "fast"
    assert "with the draft's own words" not in before[1]
    assert (after[0], "with the draft's own words" in after[1]) == ("deep", True)
    assert dry.startswith(
        "The refitted judge of drafts is better: on 300 drafts that it did not see"
    )
    assert written == dry
    assert again.startswith(
        "The refitted judge of drafts is not shown to be better, so the old one"
    )
    assert sum(line.startswith("Written: ") for line in said) == 1
    assert f"judge of drafts: {version} -> {version}+" in caplog.text
    assert f" -> {version}, learned on" in caplog.text


def _errors(caplog: pytest.LogCaptureFixture) -> int:
    said = [r for r in caplog.records if r.name == "serving.tuning.tuned"]
    return sum(record.levelno == logging.ERROR for record in said)
