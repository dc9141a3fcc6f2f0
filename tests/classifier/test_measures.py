"""RouteLLM's measures on cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.measures import auroc, curve, ece, f1_per_class, reliability

FAST = [0, 0, 1, 1]
DEEP = [1, 1, 1, 1]


def test_perfect_order_recovers_the_gap_at_once() -> None:
    line = curve([4, 3, 2, 1], FAST, DEEP)
    assert line.gap == 0.5
    assert line.pgr.tolist() == [0, 0.5, 1, 1, 1]
    assert line.apgr == pytest.approx(0.75)
    assert line.cpt(0.5) == pytest.approx(0.25)
    assert line.cpt(0.8) == pytest.approx(0.4)
    assert line.share_within(0.0) == pytest.approx(0.5)


def test_wrong_order_is_the_mirror() -> None:
    assert curve([1, 2, 3, 4], FAST, DEEP).apgr == pytest.approx(0.25)


def test_equal_scores_move_together() -> None:
    line = curve([7, 7, 7, 7], FAST, DEEP)
    assert line.shares.tolist() == [0, 1]
    assert line.apgr == pytest.approx(0.5)
    assert line.cpt(0.8) == pytest.approx(0.8)


def test_quality_may_pass_the_deep_tier() -> None:
    line = curve([3, 2, 1], [0, 0, 1], [1, 1, 0])
    assert line.quality.max() == pytest.approx(1)
    assert line.share_within(0.01) == pytest.approx(0.97 / 3)


def test_auroc() -> None:
    assert auroc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert auroc([4, 3, 2, 1], [0, 0, 1, 1]) == 0
    assert auroc([1, 1, 1, 1], [0, 0, 1, 1]) == 0.5
    assert auroc([1, 2], [1, 1]) == 0.5


@given(st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_share_of_right_pairs(rows: list[tuple[float, bool]]) -> None:
    pairs = [(a, b) for a, ya in rows for b, yb in rows if ya and not yb]
    expected = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]) if pairs else 0.5
    assert auroc([s for s, _ in rows], [y for _, y in rows]) == pytest.approx(expected)


def test_calibration_error() -> None:
    assert ece([0.8] * 10, [1] * 8 + [0] * 2) == pytest.approx(0)
    assert ece([0.9, 0.9, 0.1, 0.1], [0, 0, 0, 0]) == pytest.approx(0.5)
    assert ece([1.0], [1]) == 0
    assert reliability([0.05, 0.95, 0.95], [0, 1, 0]) == [
        (0.05, 0.0, pytest.approx(1 / 3)),
        (pytest.approx(0.95), 0.5, pytest.approx(2 / 3)),
    ]


def test_f1_counts_both_kinds_of_error() -> None:
    assert f1_per_class(["a", "a", "b"], ["a", "b", "b"]) == pytest.approx({"a": 2 / 3, "b": 2 / 3})
    assert f1_per_class(["a"], ["b"]) == {"a": 0}
