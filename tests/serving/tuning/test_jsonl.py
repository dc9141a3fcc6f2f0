"""A file's prompts are classified a few at a time, and what passes is tried again."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from classifier.assessment import Assessment
from models.chat import ChatRequest
from models.errors import TuningError
from serving.tuning import jsonl
from serving.tuning.jsonl import AT_ONCE, Row, assess_rows, prompts

pytestmark = pytest.mark.anyio

BUSY = httpx.HTTPStatusError(
    "busy", request=httpx.Request("POST", "http://judge"), response=httpx.Response(503)
)
REFUSED = httpx.HTTPStatusError(
    "no", request=httpx.Request("POST", "http://judge"), response=httpx.Response(401)
)


class Counted:
    """A classifier that counts who waits for it, and fails as often as it is told."""

    name = "judge+embedding"

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.under_way = self.most = 0
        self.asked: Counter[str] = Counter()

    async def assess(self, request: ChatRequest) -> Assessment:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.asked[request.messages[0].text] += 1
        await asyncio.sleep(0.001)
        self.under_way -= 1
        if self.failures:
            raise self.failures.pop()
        return Assessment(task="chat", p_fast=0.5, classifier=self.name)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_PAUSES", (0.0, 0.0))


def rows(count: int) -> list[Row]:
    return [Row(prompt=f"Prompt {i}", fast=1) for i in range(count)]


async def test_a_few_at_a_time_and_each_prompt_once() -> None:
    judge, told = Counted(), list[int]()
    twice = rows(100) + rows(100) + [Row(p_fast=0.5, fast=0)]
    found = await assess_rows(twice, judge, lambda: told.append(1))
    assert judge.most == AT_ONCE
    assert set(judge.asked.values()) == {1}
    assert len(found) == len(told) == len(prompts(twice)) == 100


async def test_what_passes_is_tried_again() -> None:
    judge = Counted(BUSY, httpx.ConnectError("gone"))
    assert len(await assess_rows(rows(1), judge, lambda: None)) == 1
    assert judge.asked["Prompt 0"] == 3


@pytest.mark.parametrize(("failure", "tries"), [(REFUSED, 1), (BUSY, 3)])
async def test_what_does_not_pass_ends_all(failure: Exception, tries: int) -> None:
    judge = Counted(*[failure] * 10_000)
    with pytest.raises(TuningError, match=r"The judge gave no score .* add --without-judge"):
        await assess_rows(rows(1000), judge, lambda: None)
    assert max(judge.asked.values()) == tries
    assert len(judge.asked) <= 2 * AT_ONCE
