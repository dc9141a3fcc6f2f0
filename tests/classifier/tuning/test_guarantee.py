"""The promise: never without evidence, never too often broken, and looser for a looser target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.tuning.guarantee import (
    Guarantee,
    NoGuarantee,
    bounds,
    fewest,
    guarantee,
    guarantee_by_task,
    shown,
)
from classifier.tuning.samples import Samples
from tests.classifier.tuning.rows import drawn, samples

shares = st.floats(0, 1)
rows = st.lists(st.tuples(shares, shares, shares), min_size=1, max_size=60)


def of(found: list[tuple[float, float, float]]) -> Samples:
    p_fast, fast, deep = zip(*found, strict=True)
    return samples(p_fast, fast, deep)


def test_a_calibrated_router_gets_a_threshold_and_says_what_it_drops() -> None:
    found = guarantee(drawn(4000), max_drop=0.05, confidence=0.95)

    assert isinstance(found, Guarantee)
    assert 0.3 < found.threshold < 1
    assert found.drop < found.interval[1] <= 0.05
    assert found.interval[0] < found.drop
    assert found.samples == 4000
    assert 0 < found.deep_share < 1


@given(rows, st.floats(0.001, 0.5), st.floats(0.6, 0.99))
def test_few_samples_never_prove_anything(
    found: list[tuple[float, float, float]], max_drop: float, confidence: float
) -> None:
    """Except where the fast tier is the better one: each loss here is 0 or more."""
    log = of([(p_fast, min(fast, deep), deep) for p_fast, fast, deep in found])
    if len(log) < fewest(max_drop, 1 - confidence):
        assert isinstance(guarantee(log, max_drop, confidence), NoGuarantee)


def test_nothing_is_promised_without_judged_samples() -> None:
    unjudged = samples([0.9] * 2000, [None] * 2000)
    found = guarantee(unjudged, 0.01, 0.95)

    assert isinstance(found, NoGuarantee)
    assert (found.samples, found.more) == (0, fewest(0.01, 0.05))
    assert not shown(np.array([]), 0.5, 0.5)


@given(st.integers(0, 10_000), st.sampled_from([200, 1000, 3000]), shares)
def test_a_looser_target_never_gets_a_more_careful_threshold(
    seed: int, size: int, tight: float
) -> None:
    log = drawn(size, seed=seed)
    strict = guarantee(log, 0.001 + 0.1 * tight, 0.95)
    loose = guarantee(log, 0.02 + 0.1 * tight, 0.95)

    if isinstance(strict, Guarantee):
        assert isinstance(loose, Guarantee)
        assert loose.threshold <= strict.threshold
        assert loose.deep_share <= strict.deep_share


@given(rows, st.floats(0.01, 0.4), st.floats(0, 0.5))
def test_what_is_shown_for_a_drop_is_shown_for_every_larger_one(
    found: list[tuple[float, float, float]], max_drop: float, more: float
) -> None:
    losses = np.tile(of(found).drops, 20)
    assert shown(losses, max_drop + more, 0.05) or not shown(losses, max_drop, 0.05)


# Each has a mean loss of exactly 0.02 at the target 0.02: the least favourable case.
BORDERLINE = {
    "two points": ([1.0, 0.0], [0.02, 0.98]),
    "rare disasters, small gains": ([1.0, -0.01], [0.0297029703, 0.9702970297]),
    "wide": ([1.0, -1.0], [0.51, 0.49]),
    "skewed": ([0.5, -0.02, 0.0], [0.05, 0.25, 0.7]),
    "no variance": ([0.02, 0.02], [0.5, 0.5]),
}


@pytest.mark.parametrize("kind", BORDERLINE)
@pytest.mark.parametrize("size", [5, 40, 400, 2000])
def test_a_falsehood_is_said_in_at_most_5_percent(kind: str, size: int) -> None:
    values, chances = BORDERLINE[kind]
    dice = np.random.default_rng(size)
    runs = 400
    wrong = sum(shown(dice.choice(values, size, p=chances), 0.02, 0.05) for _ in range(runs))
    assert wrong <= 0.05 * runs + 2 * np.sqrt(0.05 * 0.95 * runs)


def test_thresholds_break_their_promise_in_at_most_5_percent() -> None:
    """Scores that promise too much exactly where most requests are."""
    dice = np.random.default_rng(1)
    population = 20_000
    p_fast = np.round(dice.beta(5, 1, population), 2)
    right = dice.random(population) < np.where(p_fast > 0.9, 0.93, p_fast)
    truth = samples(p_fast.tolist(), right.astype(float).tolist())
    broken = 0
    for _ in range(200):
        picked = dice.integers(0, population, 800)
        found = guarantee(
            samples(p_fast[picked].tolist(), right[picked].astype(float).tolist()), 0.05, 0.95
        )
        if isinstance(found, Guarantee):
            drop = np.where(p_fast >= found.threshold, truth.drops, 0).mean()
            broken += drop > 0.05
    assert broken <= 16


def test_more_samples_are_asked_for_only_where_they_would_help() -> None:
    hopeful = guarantee(samples([0.9] * 50, [1.0] * 50), 0.01, 0.95)
    hopeless = guarantee(samples([0.9, 1.0] * 500, [0.5] * 1000), 0.01, 0.95)

    assert isinstance(hopeful, NoGuarantee)
    assert hopeful.more is not None
    assert 200 < hopeful.more < 500
    enough = 50 + hopeful.more
    assert isinstance(guarantee(samples([0.9] * enough, [1.0] * enough), 0.01, 0.95), Guarantee)
    assert isinstance(hopeless, NoGuarantee)
    assert hopeless.more is None
    assert hopeless.drop == pytest.approx(0.25)


def test_nothing_is_promised_below_the_scores_that_were_seen() -> None:
    """Shadow sampling sees only what the fast tier answers: lower scores are unknown land."""
    found = guarantee(samples([0.7, 0.8] * 1000, [1.0] * 2000), 0.05, 0.95)
    assert isinstance(found, Guarantee)
    assert found.threshold == pytest.approx(0.7)


def test_each_task_has_a_promise_of_its_own_where_it_has_samples() -> None:
    large = drawn(6000, tasks=("code", "chat"))
    some = drawn(20, tasks=("creative",), seed=1)
    p_fast = np.concatenate([large.p_fast, some.p_fast]).tolist()
    fast = np.concatenate([large.fast, some.fast]).tolist()
    deep = np.concatenate([large.deep, some.deep]).tolist()
    tasks = [*large.tasks.tolist(), *some.tasks.tolist()]
    found = guarantee_by_task(samples(p_fast, fast, deep, tasks), 0.05, 0.95)

    assert set(found.tasks) == {"code", "chat"}
    assert all(isinstance(each, Guarantee) for each in found.tasks.values())
    assert all(each.confidence == pytest.approx(1 - 0.05 / 3) for each in found.tasks.values())
    assert isinstance(found.general, NoGuarantee)
    assert found.general.samples == 20


def test_the_interval_holds_the_truth() -> None:
    dice = np.random.default_rng(2)
    outside = 0
    for _ in range(40):
        low, high = bounds(dice.choice([1.0, 0.0, -1.0], 300, p=[0.1, 0.85, 0.05]), 0.95)
        outside += not low <= 0.05 <= high
    assert outside <= 8
    assert bounds(np.array([1.0]), 0.95)[1] == 1.0
