"""The judge counts when it is in time and clear; the embedding classifier always does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from classifier.assessment import Assessment, Task
from classifier.combine import Together, WithDeadline, combine
from models.chat import ChatRequest
from tests.classifier.asks import user

pytestmark = pytest.mark.anyio

LONG = 30.0
HELLO = user("hello")


def said(task: Task, p_fast: float, name: str, **tasks: float) -> Assessment:
    return Assessment(
        task=task,
        p_fast=p_fast,
        classifier=name,
        task_probabilities=tasks or {task: 1.0},
        signals={f"p_fast_{name}": p_fast},
        embedding=b"\x00" if name == "embedding" else b"",
    )


class FakeClassifier:
    """Answers by a coroutine function."""

    def __init__(self, name: str, answer: Callable[[], Awaitable[Assessment]]) -> None:
        self.name = name
        self.cancelled = asyncio.Event()
        self._answer = answer

    async def assess(self, request: ChatRequest) -> Assessment:
        try:
            return await self._answer()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def ready(assessment: Assessment) -> FakeClassifier:
    async def answer() -> Assessment:
        return assessment

    return FakeClassifier(assessment.classifier, answer)


def never() -> FakeClassifier:
    async def answer() -> Assessment:
        return await asyncio.Future[Assessment]()

    return FakeClassifier("judge", answer)


def failing(error: Exception) -> FakeClassifier:
    async def answer() -> Assessment:
        raise error

    return FakeClassifier("judge", answer)


EMBEDDING = said("chat", 0.8, "embedding", chat=0.6, code=0.4)
JUDGE = said("code", 0.2, "judge", chat=0.1, code=0.9)


async def test_both_in_time_count_both() -> None:
    answer = await WithDeadline(ready(JUDGE), ready(EMBEDDING), LONG).assess(HELLO)
    assert answer.p_fast == pytest.approx(0.5)  # the logits cancel
    assert answer.task == "code"
    assert answer.classifier == "judge+embedding"
    assert answer.signals == {"p_fast_judge": 0.2, "p_fast_embedding": 0.8}
    assert answer.embedding == b"\x00"
    assert sum(answer.task_probabilities.values()) == pytest.approx(1)


async def test_a_late_judge_is_left_out_and_stopped() -> None:
    judge = never()
    answer = await WithDeadline(judge, ready(EMBEDDING), 0.01).assess(HELLO)
    assert answer is EMBEDDING
    await asyncio.wait_for(judge.cancelled.wait(), 1)


@pytest.mark.parametrize(
    "error", [ValueError("unclear"), TimeoutError(), ConnectionError("refused")]
)
async def test_a_failing_judge_is_left_out(error: Exception) -> None:
    assert await WithDeadline(failing(error), ready(EMBEDDING), LONG).assess(HELLO) is EMBEDDING


async def test_a_failing_judge_is_not_waited_for() -> None:
    combined = WithDeadline(failing(ValueError()), ready(EMBEDDING), LONG)
    await asyncio.wait_for(combined.assess(HELLO), 1)


async def test_a_caller_that_leaves_stops_the_judge() -> None:
    judge = never()
    asking = asyncio.create_task(WithDeadline(judge, ready(EMBEDDING), LONG).assess(HELLO))
    for _ in range(3):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(judge.cancelled.wait(), 1)


async def test_who_can_wait_gets_both_or_the_reason() -> None:
    both = Together(ready(JUDGE), ready(EMBEDDING))
    assert await both.assess(HELLO) == combine(JUDGE, EMBEDDING)
    assert both.name == WithDeadline(ready(JUDGE), ready(EMBEDDING), LONG).name
    with pytest.raises(ConnectionError, match="refused"):
        await Together(failing(ConnectionError("refused")), ready(EMBEDDING)).assess(HELLO)


def test_the_name_has_both() -> None:
    assert WithDeadline(ready(JUDGE), ready(EMBEDDING), LONG).name == "judge+embedding"


def test_structure_beats_both() -> None:
    picture = said("multimodal", 0.5, "embedding", chat=1.0)
    assert combine(JUDGE, picture).task == "multimodal"


def test_certainty_is_no_infinity() -> None:
    answer = combine(said("chat", 1.0, "judge"), said("code", 0.0, "embedding"))
    assert answer.p_fast == pytest.approx(0.5)
