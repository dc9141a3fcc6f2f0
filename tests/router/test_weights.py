"""Shares among equals: the formula by examples, and its laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.weights import EVEN, Exponents, Record, drawn, shares

_UNKNOWN = Record()
_SECONDS = st.floats(0.0, 1e3)
_COUNTS = st.integers(0, 20)
_RECORDS = st.builds(Record, first_event=st.none() | _SECONDS, answered=_COUNTS, failed=_COUNTS)
_DOLLARS = st.none() | st.floats(0.0, 10.0)
_GROUPS = st.lists(st.tuples(_RECORDS, _DOLLARS), min_size=1, max_size=6)
_EXPONENTS = st.builds(
    Exponents, latency=st.floats(0, 10), errors=st.floats(0, 10), price=st.floats(0, 10)
)


def _timed(*seconds: float | None) -> list[Record]:
    return [Record(first_event=value) for value in seconds]


def _shares(
    records: list[Record],
    dollars: list[float | None] | None = None,
    exponents: Exponents = EVEN,
) -> list[float]:
    found = shares(records, dollars or [None] * len(records), exponents)
    return [round(share, 4) for share in found]


def test_nothing_known_is_an_even_spread() -> None:
    assert _shares([_UNKNOWN, _UNKNOWN]) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("records", "dollars"),
    [
        (_timed(0.5, 1.0), None),  # twice as slow
        ([_UNKNOWN, _UNKNOWN], [0.01, 0.02]),  # twice as dear
        # tries 22/20 and 22/10: half of the answers, counted with one more of each
        ([Record(answered=19, failed=1), Record(answered=9, failed=11)], None),
    ],
)
def test_twice_as_bad_is_asked_half_as_often(
    records: list[Record], dollars: list[float | None] | None
) -> None:
    good, bad = _shares(records, dollars)
    assert good == pytest.approx(2 * bad, rel=1e-3)


def test_measures_multiply() -> None:
    assert _shares(_timed(0.5, 1.0), [0.01, 0.02]) == [0.8, 0.2]
    assert _shares(_timed(0.5, 1.0), [0.02, 0.01]) == [0.5, 0.5]


def test_exponents_sharpen_a_measure_or_leave_it_out() -> None:
    records: list[Record] = _timed(0.5, 1.0)
    assert _shares(records, exponents=Exponents(latency=2)) == [0.8, 0.2]
    assert _shares(records, exponents=Exponents(latency=0)) == [0.5, 0.5]


def test_what_is_not_known_counts_as_the_median() -> None:
    first, newcomer, last = _shares(_timed(0.5, None, 1.5), exponents=Exponents(errors=0))
    assert _shares(_timed(0.5, 1.0, 1.5)) == [first, newcomer, last]
    assert _shares([_UNKNOWN, _UNKNOWN], [0.01, None]) == [0.5, 0.5]


def test_one_failure_in_one_request_is_no_proof() -> None:
    fresh, unlucky = _shares([Record(answered=1), Record(failed=1)])
    assert 0.3 < unlucky < fresh


def test_a_free_one_does_not_take_everything() -> None:
    free, paid, dear = _shares([_UNKNOWN] * 3, [0.0, 0.01, 0.02])
    assert paid > dear > 0.03
    assert free < 0.9
    assert _shares([_UNKNOWN] * 3, [0.0, 0.0, 0.02])[2] > 0


@given(_GROUPS, _EXPONENTS)
def test_shares_are_positive_and_together_one(
    group: list[tuple[Record, float | None]], exponents: Exponents
) -> None:
    found = shares([record for record, _ in group], [usd for _, usd in group], exponents)
    assert len(found) == len(group)
    assert all(share > 0 for share in found)
    assert math.isclose(sum(found), 1.0)


@given(_GROUPS, _SECONDS, _SECONDS)
def test_a_quicker_one_is_never_asked_less(
    others: list[tuple[Record, float | None]], one: float, other: float
) -> None:
    records = [record for record, _ in others]
    dollars = [usd for _, usd in others]
    quick, slow = sorted((one, other))
    pair = [Record(first_event=quick), Record(first_event=slow)]
    first, second, *_ = shares([*pair, *records], [None, None, *dollars], EVEN)
    assert first >= second * (1 - 1e-9)


@given(_GROUPS, st.floats(0.0, 1.0))
def test_everybody_is_in_the_line_once_the_drawn_one_first_and_then_the_best(
    group: list[tuple[Record, float | None]], draw: float
) -> None:
    found = shares([record for record, _ in group], [usd for _, usd in group], EVEN)
    first, *others = drawn(found, draw)
    assert sorted((first, *others)) == list(range(len(group)))
    assert [found[n] for n in others] == sorted((found[n] for n in others), reverse=True)


@given(_GROUPS)
def test_even_draws_give_everybody_the_share(group: list[tuple[Record, float | None]]) -> None:
    found = shares([record for record, _ in group], [usd for _, usd in group], EVEN)
    draws = 2000
    firsts = [drawn(found, (n + 0.5) / draws)[0] for n in range(draws)]
    for place, share in enumerate(found):
        assert firsts.count(place) / draws == pytest.approx(share, abs=2 / draws)


def test_who_has_no_share_is_never_drawn_first() -> None:
    assert drawn((0.0, 1.0, 0.0), 0.0) == (1, 0, 2)
    assert drawn((0.0, 1.0, 0.0), 1.0) == (1, 0, 2)
    assert drawn((1.0, 0.0), 0.999999) == (0, 1)
