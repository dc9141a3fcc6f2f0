"""The judge of drafts learns what is usual for the engine before it has a say."""

from __future__ import annotations

import pytest

from classifier.draft import FEWEST, DraftJudge, DraftSignals, Usual
from router.engine_judge import EngineJudge

_LEARNED = DraftJudge(
    version="test",
    learned_on="teacher",
    weights={"mean": 1.0},
    usual={"code": {"mean": Usual(mean=-2.0, spread=0.5)}},
)


def _watch(judge: EngineJudge, task: str, means: list[float]) -> None:
    for mean in means:
        judge.watch(task, DraftSignals(mean=mean))


def test_on_the_engine_that_it_was_learned_on_it_judges_from_the_start() -> None:
    judge = EngineJudge(_LEARNED, "teacher")
    _watch(judge, "code", [-9.0] * 100)
    assert judge.judge is _LEARNED


def test_on_another_engine_it_has_no_say_until_enough_drafts_were_seen() -> None:
    judge = EngineJudge(_LEARNED, "other")
    _watch(judge, "code", [-0.2, -0.4] * (FEWEST // 2 - 1))
    assert judge.judge is None
    _watch(judge, "code", [-0.2, -0.4])
    assert judge.judge is not None
    usual = judge.judge.usual["code"]["mean"]
    assert (usual.mean, usual.spread) == (pytest.approx(-0.3), pytest.approx(0.1))


def test_a_task_that_was_seldom_seen_is_left_to_the_prompt() -> None:
    judge = EngineJudge(_LEARNED, "other")
    _watch(judge, "code", [-0.2, -0.4] * FEWEST)
    _watch(judge, "chat", [-0.2] * 3)
    assert judge.judge is not None
    assert set(judge.judge.usual) == {"code"}


def test_it_keeps_up_with_an_engine_that_changes() -> None:
    judge = EngineJudge(_LEARNED, "other")
    _watch(judge, "code", [-0.2, -0.4] * FEWEST)
    _watch(judge, "code", [-1.2, -1.4] * 300)
    assert judge.judge is not None
    assert judge.judge.usual["code"]["mean"].mean == pytest.approx(-1.3, abs=0.01)


def test_drafts_without_log_probabilities_tell_nothing() -> None:
    judge = EngineJudge(_LEARNED, "other")
    for _ in range(2 * FEWEST):
        judge.watch("code", DraftSignals())
    assert judge.judge is None
