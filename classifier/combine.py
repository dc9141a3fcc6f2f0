"""Two classifiers as one: the better one if it answers in time, the one that is always there if not."""

from __future__ import annotations

import asyncio
import logging

import numpy as np

from classifier.assessment import TASKS, Assessment, Classifier, Task
from classifier.calibrate import mean_chance, softmax
from models.chat import ChatRequest

log = logging.getLogger(__name__)


class WithDeadline:
    """`judge` and `fallback` start together; within `seconds` both count, after it `fallback` alone."""

    def __init__(self, judge: Classifier, fallback: Classifier, seconds: float) -> None:
        """`fallback` must always answer; `judge` may fail or be late."""
        self._judge = judge
        self._fallback = fallback
        self._seconds = seconds

    @property
    def name(self) -> str:
        """Both names."""
        return _both(self._judge, self._fallback)

    async def assess(self, request: ChatRequest) -> Assessment:
        """The combined answer, or the fallback's; a caller that leaves stops both."""
        judging = asyncio.create_task(self._try_judge(request))
        try:
            started = asyncio.get_running_loop().time()
            sure = await self._fallback.assess(request)
            left = self._seconds - (asyncio.get_running_loop().time() - started)
            await asyncio.wait({judging}, timeout=max(left, 0.0))
            judged = judging.result() if judging.done() else None
        finally:
            judging.cancel()
        return combine(judged, sure) if judged else sure

    async def _try_judge(self, request: ChatRequest) -> Assessment | None:
        try:
            return await self._judge.assess(request)
        except Exception as error:  # whatever it is, the fallback answers
            log.warning("%s gave no answer: %s", self._judge.name, error)
            return None


class Together:
    """Both always count, however long the judge takes: for those who can wait, and must not guess."""

    def __init__(self, judge: Classifier, fallback: Classifier) -> None:
        """What either raises is raised."""
        self._judge = judge
        self._fallback = fallback

    @property
    def name(self) -> str:
        """The name under which a server that has both decides."""
        return _both(self._judge, self._fallback)

    async def assess(self, request: ChatRequest) -> Assessment:
        """The combined answer."""
        judged, sure = await asyncio.gather(
            self._judge.assess(request), self._fallback.assess(request)
        )
        return combine(judged, sure)


def _both(judge: Classifier, fallback: Classifier) -> str:
    return f"{judge.name}+{fallback.name}"


def judge_of(classifier: str) -> str:
    """The judge in the name that an assessment of both has; the name itself where it is of one."""
    return classifier.partition("+embedding-")[0]


def combine(judged: Assessment, sure: Assessment) -> Assessment:
    """Mean of the two in logits; the signals of both stay visible."""
    p_fast = float(mean_chance(judged.p_fast, sure.p_fast))
    probabilities = _mean_tasks(judged.task_probabilities, sure.task_probabilities)
    task: Task = sure.task
    if task != "multimodal" and not sure.user_task and probabilities:
        task = max(probabilities, key=lambda name: probabilities[name])
    return Assessment(
        task=task,
        p_fast=p_fast,
        classifier=f"{judged.classifier}+{sure.classifier}",
        task_probabilities={**probabilities},
        signals={**sure.signals, **judged.signals},
        user_task=sure.user_task,
        embedding=sure.embedding,
        form=sure.form,
        instruction=sure.instruction,
    )


def _mean_tasks(one: dict[str, float], two: dict[str, float]) -> dict[Task, float]:
    names: list[Task] = [task for task in TASKS if task in one or task in two]
    if not names:
        return {}
    logs = [
        (np.log(max(one.get(name, 0.0), 1e-6)) + np.log(max(two.get(name, 0.0), 1e-6))) / 2
        for name in names
    ]
    shares = softmax(logs)
    return {name: float(shares[index]) for index, name in enumerate(names)}
