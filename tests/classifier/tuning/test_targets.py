"""Targets in dollars and shares, and the sentences for what cannot be done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.head import load_shipped
from classifier.prototypes import load_background
from classifier.tuning.curve import at, sweep, what_if
from classifier.tuning.drift import drift, shipped_baseline, stability_index, summarise
from classifier.tuning.samples import Sample, Samples, check_teaches
from classifier.tuning.targets import (
    Budget,
    DeepShare,
    MaxDrop,
    choose,
    parse_budget,
)
from classifier.tuning.thresholds import Thresholds
from models.errors import TuningError
from tests.classifier.tuning.rows import drawn, prototypes, samples, unit

DAY = 86_400.0


def priced(size: int = 1000, days: float = 2.0) -> Samples:
    scores = np.linspace(0, 1, size)
    return Samples.of(
        [
            Sample(
                task="code",
                p_fast=float(score),
                fast_usd=0.0,
                deep_usd=0.01,
                when=i * days * DAY / (size - 1),
            )
            for i, score in enumerate(scores)
        ]
    )


@pytest.mark.parametrize(
    ("text", "per_day"),
    [("50/day", 50), ("$7 / week", 1), ("50", 50), ("30.4375/month", 1), ("0.5/DAY", 0.5)],
)
def test_a_budget_is_read(text: str, per_day: float) -> None:
    assert parse_budget(text).usd_per_day == pytest.approx(per_day)


@pytest.mark.parametrize("text", ["", "a lot", "50/hour", "-1/day", "0/day", "1e9/day"])
def test_a_wrong_budget_is_one_sentence(text: str) -> None:
    with pytest.raises(TuningError, match=r"right is 50/day\.$"):
        parse_budget(text)


def test_a_budget_is_spent_on_the_requests_that_need_it_most() -> None:
    found = choose(priced(), Budget(usd_per_day=1.0)).thresholds
    assert found is not None
    assert found.general == pytest.approx(0.2)  # 500 requests a day, a cent each: 20 %
    assert choose(priced(), Budget(usd_per_day=99)).thresholds == Thresholds(general=1.0)


def test_a_budget_needs_times_and_prices() -> None:
    with pytest.raises(TuningError, match="do not say when they were"):
        choose(drawn(10), Budget(usd_per_day=1))
    timed = Samples.of([Sample(task="code", p_fast=0.5, when=t) for t in (0.0, DAY)])
    with pytest.raises(TuningError, match="needs prices"):
        choose(timed, Budget(usd_per_day=1))
    dear = Samples.of(
        [Sample(task="code", p_fast=0.5, when=t, fast_usd=9, deep_usd=9) for t in (0.0, DAY)]
    )
    with pytest.raises(TuningError, match="cost more even when the fast tier answers all"):
        choose(dear, Budget(usd_per_day=1))


@given(st.floats(0, 1), st.integers(0, 99))
def test_the_deep_share_is_never_above_what_was_asked(share: float, seed: int) -> None:
    log = drawn(200, seed=seed)
    found = choose(log, DeepShare(share=share)).thresholds
    assert found is not None
    assert at(log, found).deep_share <= share


@pytest.mark.parametrize(
    "target",
    [
        MaxDrop(drop=0),
        MaxDrop(drop=1.5),
        MaxDrop(drop=float("nan")),
        MaxDrop(confidence=1),
        MaxDrop(confidence=0.1),
        DeepShare(share=1.1),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(target: MaxDrop | DeepShare) -> None:
    with pytest.raises(TuningError, match=r"^--.* it lies between"):
        choose(drawn(10), target)


def test_no_threshold_is_chosen_where_nothing_is_proven() -> None:
    found = choose(drawn(50), MaxDrop())
    assert found.thresholds is None
    assert found.proof is not None


def test_a_task_that_proves_nothing_is_sent_to_the_deep_tier() -> None:
    log = drawn(6000, tasks=("code", "chat"), sharpness=0.2)
    bad = samples([0.99] * 800, [0.0, 1.0] * 400, tasks=["creative"] * 800)
    merged = samples(
        np.concatenate([log.p_fast, bad.p_fast]).tolist(),
        np.concatenate([log.fast, bad.fast]).tolist(),
        np.concatenate([log.deep, bad.deep]).tolist(),
        [*log.tasks.tolist(), *bad.tasks.tolist()],
    )
    found = choose(merged, MaxDrop(drop=0.05, by_task=True)).thresholds
    assert found is not None
    assert found.tasks["creative"] > 0.99
    assert found.tasks["code"] < 0.9


def test_one_class_and_unjudged_samples_are_refused() -> None:
    with pytest.raises(TuningError, match=r"same fast score .* answers badly"):
        check_teaches(samples([0.2, 0.9], [1.0, 1.0]))
    with pytest.raises(TuningError, match=r"same fast score .* answers well"):
        check_teaches(samples([0.2, 0.9], [0.0, 0.0]))
    with pytest.raises(TuningError, match="None of the 2 samples says how good"):
        check_teaches(samples([0.2, 0.9], [None, None]))


def test_samples_are_checked() -> None:
    with pytest.raises(TuningError, match="the log is empty"):
        Samples.of([])
    for wrong in (1.01, -0.1, float("inf")):
        with pytest.raises(TuningError, match=r"Sample 2 has fast = .* between 0 and 1"):
            samples([0.5, 0.5], [0.5, wrong])
    with pytest.raises(TuningError, match="Sample 1 has p_fast = nan"):
        samples([float("nan")], [0.5])


def test_an_unknown_deep_quality_counts_as_perfect() -> None:
    log = samples([0.5, 0.5, 0.5], [0.25, 1.0, None], [None, 0.5, None])
    assert log.judged.drops.tolist() == [0.75, -0.5]
    assert log.assumed == 1


def test_the_sweep_goes_from_everything_deep_to_everything_fast() -> None:
    log = drawn(500)
    points = sweep(log).points
    shares = [point.deep_share for point in points]

    assert shares[0] == 1
    assert shares[-1] == 0
    assert shares == sorted(shares, reverse=True)
    assert points[0].quality == pytest.approx(log.deep.mean())
    assert points[-1].quality == pytest.approx(log.fast.mean())
    assert points[0].usd is None


def test_what_would_have_moved_is_counted_per_task() -> None:
    log = samples([0.2, 0.5, 0.8], [0, 1, 1], tasks=["code", "chat", "chat"])
    everything, chat, code = what_if(
        log, Thresholds(general=0.4), Thresholds(general=0.6, tasks={"code": 0.1})
    )
    assert (everything.requests, everything.to_deep, everything.to_fast) == (3, 1, 1)
    assert (chat.name, chat.to_deep, chat.to_fast) == ("chat", 1, 0)
    assert (code.name, code.before.quality, code.after.quality) == ("code", 1, 0)


def test_drift_is_nought_against_itself_and_grows() -> None:
    log = drawn(2000)
    baseline = summarise("v1", log.p_fast, log.tasks.tolist())
    same = drift(drawn(2000, seed=3), baseline, "v1")
    other = drift(samples([0.05] * 50, [1.0] * 50, tasks=["chat"] * 50), baseline, "v1")
    assert same is not None
    assert other is not None
    assert same.scores_index is not None
    assert other.tasks_index is not None

    assert stability_index(baseline.p_fast, baseline.p_fast) == 0
    assert same.verdict == "as the training data"
    assert same.scores_index < 0.05
    assert other.verdict == "unlike the training data"
    assert other.tasks_index > 1


def test_the_shipped_baseline_is_of_the_head_that_ships() -> None:
    """Else drift is never shown: run `python -m scripts.training.baseline` after each new head."""
    baseline = shipped_baseline()
    assert baseline.classifier == f"embedding-{load_shipped().version}"
    assert sum(baseline.p_fast) == pytest.approx(1, abs=0.01)
    assert baseline.prototypes is not None
    assert baseline.prototypes.rows.shape[1] == load_background().shape[1]
    assert 0.1 < baseline.prototypes.known.mean() < 1


@pytest.mark.parametrize(
    ("classifier", "scores", "tasks"),
    [
        ("embedding-v1", True, True),
        ("embedding-v1+20261124.1200", False, True),  # a retrained head says other chances
        ("judge-3b+embedding-v1", False, False),  # a judge other tasks too
    ],
)
def test_only_what_the_same_classifier_says_is_compared(
    classifier: str, scores: bool, tasks: bool
) -> None:
    dice = np.random.default_rng(0)
    log = drawn(200)
    baseline = replace(
        summarise("embedding-v1", log.p_fast, log.tasks.tolist()), prototypes=prototypes(dice)
    )
    rows = [row.tobytes() for row in unit(dice.normal(size=(200, 8)))]
    found = drift(log, baseline, classifier, rows)
    assert found is not None
    assert (found.scores_index is not None, found.tasks_index is not None) == (scores, tasks)
    assert found.distance is not None
    assert found.verdict == "as the training data"
    assert drift(log, baseline, "embedding-v2", rows) is None


def test_by_the_prompt_s_chance_and_not_by_what_the_draft_made_of_it() -> None:
    log = drawn(500)
    baseline = summarise("v1", log.p_fast, log.tasks.tolist())
    moved = Samples.of([Sample(task="code", p_fast=0.01, p_prompt=p) for p in log.p_fast.tolist()])
    found = drift(moved, baseline, "v1")
    assert found is not None
    assert found.scores_index == 0
