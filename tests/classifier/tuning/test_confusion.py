"""Which tasks were taken for others, and what that comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classifier.tuning.confusion import Confusion, confusion
from classifier.tuning.samples import Sample, Samples
from classifier.tuning.thresholds import Thresholds

CODE = Sample(
    task="chat",
    said_task="chat",
    named_task="code",
    p_fast=0.8,
    fast_quality=0.25,
    deep_quality=1.0,
    fast_usd=0.0,
    said_deep_usd=0.001,
    named_deep_usd=0.02,
)
CHAT = replace(CODE, named_task="chat", named_deep_usd=0.001)
STRICT = Thresholds(general=0.5, tasks={"code": 0.9})


def found(rows: list[Sample], thresholds: Thresholds = STRICT) -> Confusion:
    made = confusion(Samples.of(rows), thresholds)
    assert made is not None
    return made


def test_what_nobody_named_is_no_confusion() -> None:
    assert confusion(Samples.of([replace(CODE, named_task="")]), STRICT) is None


def test_a_mistake_that_keeps_a_request_on_the_fast_tier_saves_dollars_and_loses_quality() -> None:
    made = found([CODE, CODE, CHAT])
    assert made.counts.tolist() == [[1], [2]]
    assert (made.named, made.said, made.requests, made.mistaken) == (
        ("chat", "code"),
        ("chat",),
        3,
        2,
    )
    (mistake,) = made.mistakes
    assert (mistake.named, mistake.said, mistake.requests, mistake.moved) == ("code", "chat", 2, 2)
    assert (mistake.usd, mistake.lost) == (pytest.approx(-0.04), 0.75)


def test_another_order_costs_dollars_where_the_tier_is_the_same() -> None:
    low = replace(CODE, p_fast=0.1, said_deep_usd=0.02, named_deep_usd=0.001)
    (mistake,) = found([low]).mistakes
    assert (mistake.moved, mistake.usd, mistake.lost) == (0, pytest.approx(0.019), 0.0)


def test_what_is_not_known_is_not_made_up() -> None:
    bare = replace(
        CODE, fast_quality=None, deep_quality=None, said_deep_usd=None, named_deep_usd=None
    )
    (mistake,) = found([bare]).mistakes
    assert (mistake.requests, mistake.usd, mistake.lost) == (1, None, None)


def test_the_client_s_word_is_held_against_what_the_classifier_saw() -> None:
    """The request itself went by the client's task: it is not that task which was mistaken."""
    named = replace(CODE, task="code", said_task="chat")
    assert found([named]).mistaken == 1
    assert found([replace(named, said_task="code")]).mistaken == 0


def test_the_dearest_mistake_comes_first() -> None:
    dear = replace(CODE, said_task="creative", p_fast=0.1, said_deep_usd=0.5)
    assert [mistake.said for mistake in found([CODE, dear]).mistakes] == ["creative", "chat"]
