"""Tune a server that runs: the next request is decided by the new threshold."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread

from serving.__main__ import main
from tests.fakes.fleet import FakeFleet, deepseek, engine, hosted
from tests.serving.live import headstart, http

pytestmark = pytest.mark.anyio
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


def _errors(caplog: pytest.LogCaptureFixture) -> int:
    said = [r for r in caplog.records if r.name == "serving.tuning.tuned"]
    return sum(record.levelno == logging.ERROR for record in said)
