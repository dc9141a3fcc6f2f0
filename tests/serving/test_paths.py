"""The small paths: health, readiness, greeting."""

import pytest

from serving.health import Readiness
from tests.serving.fake_router import FakeRouter
from tests.serving.live import http, live_edge

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("readiness", "status"),
    [
        (Readiness(fast=True), 200),
        (Readiness(fast=False, deep=("deepseek/deepseek-v4-pro",)), 200),
        (Readiness(fast=False, reason="the engine is starting"), 503),
    ],
)
async def test_ready_when_somebody_can_answer(readiness: Readiness, status: int) -> None:
    async with live_edge(FakeRouter(), readiness=readiness) as url, http(url) as client:
        ready = await client.get("/ready")
        health = await client.get("/health")

    assert ready.status_code == status
    assert ready.json() == {
        "ready": status == 200,
        "fast": readiness.fast,
        "deep": list(readiness.deep),
        "reason": readiness.reason,
    }
    assert health.json() == {"status": "ok"}


async def test_the_root_greets() -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        head = await client.head("/")
        get = await client.get("/")

    assert (head.status_code, head.text) == (200, "")
    assert get.text.startswith("Headstart")
