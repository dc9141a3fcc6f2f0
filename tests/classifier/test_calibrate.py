"""Calibration maps scores to probabilities without turning their order round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.calibrate import (
    Platt,
    fit_isotonic,
    fit_platt,
    fit_smooth,
    logit,
    sigmoid,
    softmax,
)

PAIRS = st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 1)), min_size=1, max_size=60).map(
    lambda rows: (np.array([s for s, _ in rows]), np.array([y for _, y in rows]))
)


@given(PAIRS, st.integers(1, 10))
def test_isotonic_rises_and_stays_in_range(rows: tuple[np.ndarray, np.ndarray], block: int) -> None:
    fitted = fit_isotonic(*rows, min_block=block)
    said = fitted(np.linspace(-60, 60, 200))
    assert (np.diff(said) >= -1e-12).all()
    assert said.min() >= 0
    assert said.max() <= 1


@given(PAIRS)
def test_isotonic_keeps_the_mean(rows: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = rows
    fitted = fit_isotonic(np.arange(len(scores)), labels)
    blocks = fitted(fitted.scores)
    assert labels.min() - 1e-9 <= blocks.min()
    assert blocks.max() <= labels.max() + 1e-9


def test_isotonic_pools_violators() -> None:
    fitted = fit_isotonic([1, 2, 3, 4], [0, 1, 0, 1])
    assert fitted.values.tolist() == [0, 0.5, 1]
    assert fitted.scores.tolist() == [1, 2.5, 4]


def test_isotonic_blocks_hold_enough_rows() -> None:
    fitted = fit_isotonic(np.arange(100), np.arange(100) >= 50, min_block=40)
    assert len(fitted.values) <= 2
    assert fitted([-1.0])[0] >= 0


@given(PAIRS, st.integers(1, 10))
def test_smooth_rises_and_stays_in_range(rows: tuple[np.ndarray, np.ndarray], block: int) -> None:
    said = fit_smooth(*rows, min_block=block)(np.linspace(-200, 200, 100))
    assert (np.diff(said) >= -1e-12).all()
    assert said.min() >= 0
    assert said.max() <= 1


def test_smooth_tells_apart_what_isotonic_leaves_level() -> None:
    """Isotonic is flat beyond the centres of its first and its last block."""
    dice = np.random.default_rng(8)
    z = dice.normal(size=900)
    labels = dice.random(900) < sigmoid(z)
    lowest = np.sort(z)[:20]
    assert np.ptp(fit_isotonic(z, labels, min_block=150)(lowest)) == 0
    smooth = fit_smooth(z, labels, min_block=150)
    assert (np.diff(smooth(lowest)) > 0).all()
    assert smooth(z).mean() == pytest.approx(labels.mean(), abs=0.02)


@given(PAIRS)
def test_platt_rises_and_stays_in_range(rows: tuple[np.ndarray, np.ndarray]) -> None:
    said = fit_platt(*rows)(np.linspace(-100, 100, 50))
    assert (np.diff(said) >= 0).all()
    assert said.min() >= 0
    assert said.max() <= 1


def test_platt_finds_the_map_that_made_the_labels() -> None:
    dice = np.random.default_rng(1)
    z = dice.normal(size=20_000)
    labels = dice.random(20_000) < sigmoid(2.0 * z - 0.5)
    fitted = fit_platt(z, labels)
    assert fitted.scale == pytest.approx(2.0, abs=0.1)
    assert fitted.shift == pytest.approx(-0.5, abs=0.05)


def test_platt_never_turns_the_order_round() -> None:
    fitted = fit_platt([1, 2, 3, 4], [1, 1, 0, 0])
    assert fitted.scale == 0
    assert float(fitted(10)) == pytest.approx(0.5)


def test_identity_is_the_default() -> None:
    assert Platt()(logit(0.3)) == pytest.approx(0.3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_softmax_is_a_distribution(logits: list[float]) -> None:
    p = softmax(logits)
    assert p.sum() == pytest.approx(1)
    assert (p >= 0).all()


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([], []), ([1.0], [1.0, 0.0]), ([np.nan], [1.0]), ([0.0], [1.5]), ([0.0], [-0.1])],
)
def test_bad_rows_are_refused(scores: list[float], labels: list[float]) -> None:
    for fit in (fit_isotonic, fit_platt):
        with pytest.raises(ValueError, match="calibration needs"):
            fit(scores, labels)
