"""The sentences: what to do, what is proven, and honesty where nothing is."""

from __future__ import annotations

import pytest

from classifier.tuning.report import TuningReport, build_report
from classifier.tuning.samples import Sample, Samples
from classifier.tuning.targets import Budget, DeepShare, MaxDrop, Target
from classifier.tuning.thresholds import Thresholds
from serving.tuning import words
from tests.classifier.tuning.rows import drawn, samples


def report(log: Samples, target: Target, current: float = 0.55) -> TuningReport:
    return build_report(log, target, Thresholds(general=current), source="s", classifier="c")


def test_a_promise_says_how_sure_of_what_and_from_how_many() -> None:
    found = report(drawn(4000), MaxDrop(drop=0.05))
    assert words.promise(found).startswith(
        "With 95 % confidence, quality drops by at most 5 points against asking the deep tier for "
        "everything (4,000 samples; seen: "
    )
    assert words.advice(found).startswith("Set the threshold to 0.")
    assert "of the requests go deep instead of" in words.advice(found)


def test_too_few_samples_are_told_how_many_it_takes() -> None:
    found = report(drawn(40), MaxDrop())
    assert words.promise(found) == (
        "Too few samples: with 40 not even a fast tier without a fault could be proven to lose at "
        "most 1 point; that takes 332."
    )
    assert words.advice(found).endswith("or ask for less, for example --max-drop 0.05.")


def test_a_fast_tier_that_loses_everywhere_gets_no_advice_to_collect_more() -> None:
    found = report(samples([0.9, 1.0] * 300, [0.4, 0.5] * 300), MaxDrop())
    assert "these 600 samples do not rule out a drop of more than 1 point" in words.promise(found)
    assert words.advice(found).startswith("Keep asking the deep tier")


def test_the_same_threshold_is_left_alone() -> None:
    found = report(drawn(500), DeepShare(share=0.5))
    assert found.choice.thresholds is not None
    again = report(drawn(500), DeepShare(share=0.5), found.choice.thresholds.general)
    assert words.advice(again).startswith("Leave it as it is")


def test_each_task_is_named_in_its_promise() -> None:
    found = report(drawn(6000, tasks=("code", "chat")), MaxDrop(drop=0.05, by_task=True))
    assert "in each of chat, code" in words.promise(found)


def test_a_target_in_dollars_promises_no_quality_and_says_so() -> None:
    unjudged = Samples.of(
        [
            Sample(task="chat", p_fast=i / 100, fast_usd=0, deep_usd=0.1, when=i * 8640.0)
            for i in range(101)
        ]
    )
    found = report(unjudged, Budget(usd_per_day=0.5))
    assert words.promise(found) == (
        "This target promises nothing about quality, and no sample says anything of it."
    )
    assert words.today(found) == "How good the answers are is not known: no sample says."
    assert "which saves $0.05 a day" in words.advice(found)
    judged = report(drawn(500), DeepShare(share=0.5))
    assert "in these samples the answers score 0." in words.promise(judged)


@pytest.mark.parametrize(
    ("value", "said"), [(0.01, "1 point"), (0.025, "2.5 points"), (0.0, "0 points")]
)
def test_points(value: float, said: str) -> None:
    assert words.points(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(None, "?"), (0.0, "$0.00"), (0.00123, "$0.00123"), (1234.5, "$1,234.50")]
)
def test_dollars(value: float | None, said: str) -> None:
    assert words.dollars(value) == said
