"""Samples: what is known of each judged request, from outcomes, feedback and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router.gate import Confidence
from router.learning.records import Comparison, Feedback
from router.learning.samples import SampleRow, read_samples
from router.outcome import Outcome
from router.outcomes import Note, SqliteOutcomes
from tests.router.ledger_world import DEEP, FAST, PLAN, leg, outcome

FAST_LEG = leg(FAST, role="draft", cost_usd=Decimal(0))
FAST_PLAN = replace(PLAN, route="fast", because="", p_fast=0.8)
STAND_IN = replace(FAST, stands_in_for="anthropic/big")


def answered_fast(**known: Any) -> Outcome:
    """A request whose draft was the answer."""
    return outcome(**{"plan": FAST_PLAN, "legs": [FAST_LEG], **known})


def said(kind: Any = "thumbs", value: float = 1.0, leg: Any = "", at: float = 1.0) -> Feedback:
    return Feedback(outcome_id="hs-1", created=at, kind=kind, value=value, leg=leg)


def compared(fast: float | None = 0.25, deep: float | None = 0.75, at: float = 1.0) -> Comparison:
    return Comparison(
        outcome_id="hs-1",
        created=at,
        fast_quality=fast,
        deep_quality=deep,
        model="anthropic/big",
        judge="anthropic/big",
        deep_usd=Decimal("0.02"),
        cost_usd=Decimal("0.05"),
        input_tokens=10,
        output_tokens=20,
    )


def samples(path: Path, *outcomes: Outcome, notes: Sequence[Note] = ()) -> list[SampleRow]:
    """What is read after all this was written."""
    store = SqliteOutcomes(path / "headstart.db")
    for one in outcomes:
        store.record(one)
    for note in notes:
        store.note(note)
    store.close()
    return read_samples(path / "headstart.db", 0.0)


def test_a_sample_has_what_a_retrained_head_and_a_tuner_need(tmp_path: Path) -> None:
    sure = Confidence(-0.5, -2.0, 9)
    kept = answered_fast(
        embedding=b"e", form=b"f", instruction=b"i", draft=sure, experiment="b", asked_task="code"
    )
    (row,) = samples(tmp_path, kept)
    assert (row.task, row.p_fast, row.threshold, row.route) == ("math_reasoning", 0.8, 0.55, "fast")
    assert (row.embedding, row.form, row.instruction) == (b"e", b"f", b"i")
    assert (row.draft_mean, row.draft_minimum, row.draft_tokens) == (-0.5, -2.0, 9)
    assert (row.experiment, row.asked_task, row.classifier) == ("b", "code", "embedding-minilm-v1")
    assert (row.input_tokens, row.output_tokens) == (1000, 200)
    assert (row.fast_usd, row.deep_usd, row.usd) == (0.0, None, 0.0)
    assert (row.fast_quality, row.deep_quality, row.rating) == (None, None, None)
    assert len(row.features) == 8


def test_requests_that_nobody_judged_and_older_ones_are_left_out(tmp_path: Path) -> None:
    pinned = replace(PLAN, threshold=None, p_fast=None)
    samples(
        tmp_path,
        outcome(id="old", created=10.0),
        outcome(id="pinned", created=20.0, plan=pinned),
        outcome(id="failed", created=20.0, plan=None),
        outcome(id="second", created=22.0),
        outcome(id="first", created=21.0),
    )
    assert [row.id for row in read_samples(tmp_path / "headstart.db", 15.0)] == ["first", "second"]


@pytest.mark.parametrize(
    ("notes", "fast", "deep", "weight"),
    [
        ([said()], 1.0, None, 1.0),
        ([said("score", 0.4)], 0.4, None, 1.0),
        ([said("preferred", 1.0, "deep")], 0.0, 1.0, 1.0),
        ([said("preferred", 1.0, "fast")], 1.0, 0.0, 1.0),
        ([said("regenerated", 0.0)], 0.0, None, 0.3),
        ([said("edited", 0.0)], 0.0, None, 0.15),
        ([said("thumbs", 1.0, at=1), said("thumbs", 0.0, at=2)], 0.0, None, 1.0),
        ([said("thumbs", 1.0, at=1), said("regenerated", 0.0, at=2)], 1.0, None, 1.0),
        ([said("edited", 0.0, at=1), said("regenerated", 0.0, at=2)], 0.0, None, 0.3),
        ([compared(), said("thumbs", 1.0, at=2)], 0.25, 0.75, 1.0),
        ([compared(1.0, 0.0, at=1), compared(None, None, at=2)], 1.0, 0.0, 1.0),
        ([compared(None, None), said("score", 0.5)], 0.5, None, 1.0),
    ],
)
def test_what_is_known_of_a_fast_answer(
    tmp_path: Path, notes: Sequence[Note], fast: float | None, deep: float | None, weight: float
) -> None:
    (row,) = samples(tmp_path, answered_fast(), notes=notes)
    assert (row.fast_quality, row.deep_quality, row.weight) == (fast, deep, weight)


def test_feedback_on_a_relayed_answer_is_about_the_deep_tier(tmp_path: Path) -> None:
    (row,) = samples(tmp_path, outcome(), notes=[said("score", 0.7)])
    assert (row.fast_quality, row.deep_quality, row.rating) == (None, 0.7, 0.7)


def test_a_stand_in_counts_as_the_model_whose_place_it_takes(tmp_path: Path) -> None:
    played = outcome(legs=[leg(STAND_IN, role="upgrade", cost_usd=Decimal(0))])
    (row,) = samples(tmp_path, played, notes=[said()])
    assert (row.fast_quality, row.deep_quality) == (None, 1.0)


def test_feedback_on_an_answer_that_nobody_gave_says_nothing(tmp_path: Path) -> None:
    (row,) = samples(tmp_path, outcome(legs=[leg(first_event=None)]), notes=[said()])
    assert (row.fast_quality, row.deep_quality) == (None, None)


@pytest.mark.parametrize(
    ("note", "rating"),
    [
        (said("thumbs", 0.0), 0.0),
        (said("preferred", 1.0, "fast"), 1.0),
        (said("preferred", 1.0, "deep"), 0.0),
        (said("regenerated", 0.0), None),
    ],
)
def test_a_rating_is_what_was_said_of_the_answer_shown(
    tmp_path: Path, note: Feedback, rating: float | None
) -> None:
    (row,) = samples(tmp_path, answered_fast(), notes=[note])
    assert row.rating == rating


def test_dollars_by_tier(tmp_path: Path) -> None:
    legs = [FAST_LEG, leg(DEEP, cost_usd=Decimal("0.004")), leg(DEEP, cost_usd=Decimal("0.002"))]
    (relayed,) = samples(tmp_path, outcome(legs=legs), notes=[compared()])
    assert (relayed.fast_usd, relayed.deep_usd, relayed.usd) == (0.0, 0.006, 0.006)


def test_what_the_deep_answer_of_a_comparison_cost(tmp_path: Path) -> None:
    (row,) = samples(tmp_path, answered_fast(), notes=[compared()])
    assert (row.fast_usd, row.deep_usd, row.usd) == (0.0, 0.02, 0.0)


def test_an_unknown_price_is_not_taken_for_nothing(tmp_path: Path) -> None:
    (row,) = samples(tmp_path, outcome(legs=[FAST_LEG, leg(DEEP, cost_usd=None)]))
    assert (row.deep_usd, row.usd) == (None, None)
