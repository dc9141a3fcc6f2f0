"""The usual of an engine's drafts is learned as they come."""

import numpy as np
import pytest

from classifier.draft import FEWEST, DraftJudge, DraftSignals, Usual, usual_of
from classifier.habits import MEMORY, DraftHabits

JUDGE = DraftJudge(version="v", learned_on="m", weights={"mean": 1.0, "entropy": 1.0}, usual={})


def drafts(count: int, mean: float, seed: int = 0) -> list[DraftSignals]:
    values = np.random.default_rng(seed).normal(mean, 0.3, count)
    return [DraftSignals(mean=value, minimum=value - 1) for value in values.tolist()]


def test_the_prompts_chance_stands_until_enough_was_seen() -> None:
    habits = DraftHabits(JUDGE)
    sure = DraftSignals(mean=0.0)
    for signals in drafts(FEWEST - 1, -1.0):
        habits.note("code", signals)
    assert habits.p_fast(0.4, sure, "code") == 0.4
    habits.note("code", DraftSignals(mean=-1.0, minimum=-2.0))
    assert habits.p_fast(0.4, sure, "code") > 0.8
    assert habits.p_fast(0.4, sure, "chat") == 0.4


def test_it_is_the_mean_and_the_spread_of_what_came() -> None:
    habits = DraftHabits(JUDGE)
    seen = drafts(MEMORY, -1.0)
    for signals in seen:
        habits.note("code", signals)
    whole = usual_of({"code": seen})["code"]
    found = habits.usual("code")
    assert set(found) == {"mean", "minimum"}
    assert found["mean"].mean == pytest.approx(whole["mean"].mean)
    assert found["mean"].spread == pytest.approx(whole["mean"].spread)


def test_old_drafts_fade_when_the_engine_changes() -> None:
    habits = DraftHabits(JUDGE)
    for signals in [*drafts(MEMORY, -1.0), *drafts(5 * MEMORY, -0.2, seed=1)]:
        habits.note("code", signals)
    assert habits.usual("code")["mean"].mean == pytest.approx(-0.2, abs=0.05)


def test_an_odd_number_is_not_learned() -> None:
    habits = DraftHabits(JUDGE)
    for signals in drafts(FEWEST, -1.0):
        habits.note("code", signals)
    before = habits.usual("code")
    habits.note("code", DraftSignals(mean=float("nan"), minimum=float("-inf")))
    habits.note("code", DraftSignals())
    assert habits.usual("code") == before


def test_what_the_judge_came_with_serves_until_then() -> None:
    known = DraftJudge(
        version="v",
        learned_on="m",
        weights={"mean": 1.0},
        usual={"code": {"mean": Usual(mean=-1.0, spread=0.5)}},
    )
    assert DraftHabits(known).p_fast(0.5, DraftSignals(mean=-0.5), "code") == pytest.approx(
        0.731, abs=1e-3
    )
