"""Scores into probabilities: Platt's sigmoid and isotonic regression. Pure maths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

EPSILON = 1e-6
_KNOTS = 64  # a sigmoid through so many points is off by less than a thousandth


def sigmoid(logits: ArrayLike) -> Floats:
    """The logistic function, safe for large numbers."""
    z = np.asarray(logits, np.float64)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def logit(probabilities: ArrayLike) -> Floats:
    """Inverse of the sigmoid; 0 and 1 are held off by EPSILON."""
    p = np.clip(np.asarray(probabilities, np.float64), EPSILON, 1 - EPSILON)
    return np.log(p / (1 - p))


def mean_chance(one: ArrayLike, other: ArrayLike) -> Floats:
    """What two chances come to together: their mean in logits."""
    return sigmoid((logit(one) + logit(other)) / 2)


def softmax(logits: ArrayLike) -> Floats:
    """Probabilities along the last axis."""
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """P = sigmoid(scale * logit + shift). The default changes nothing."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, logits: ArrayLike) -> Floats:
        """Calibrated probabilities of raw logits."""
        return sigmoid(self.scale * np.asarray(logits, np.float64) + self.shift)


def fit_platt(logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Platt:
    """Platt's method: a logistic fit on one number, with his smoothed targets.

    `labels` may be soft (0..1); a row of weight w counts as w rows. The scale is never negative:
    calibration may not turn an order round.
    """
    z, y = _pairs(logits, labels)
    counts = np.ones_like(z) if weights is None else np.asarray(weights, np.float64)
    positives, rows = float(counts @ y), float(counts.sum())
    high = (positives + 1) / (positives + 2)
    low = 1 / (rows - positives + 2)
    target = low + (high - low) * y
    design = np.stack([z, np.ones_like(z)], axis=1)
    spread = max(float(z.std()), EPSILON)
    line = np.array([1 / spread, -float(z.mean()) / spread])
    for _ in range(100):
        p = sigmoid(design @ line)
        hessian = design.T @ (design * (counts * p * (1 - p))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (counts * (p - target)))
        line -= np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    if line[0] < 0:
        return Platt(scale=0.0, shift=float(logit(np.average(target, weights=counts))))
    return Platt(scale=float(line[0]), shift=float(line[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """A rising piecewise linear map through (scores, values), flat beyond its ends."""

    scores: Floats
    values: Floats

    def __call__(self, scores: ArrayLike) -> Floats:
        """Calibrated probabilities of raw scores."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.values)


def fit_isotonic(scores: ArrayLike, labels: ArrayLike, *, min_block: int = 1) -> Isotonic:
    """The closest rising step function (pool adjacent violators), joined at its blocks' centres.

    Blocks with fewer than `min_block` rows are merged into a neighbour, so that the ends, where
    rows are few, do not promise 0 or 1.
    """
    x, y = _pairs(scores, labels)
    order = np.argsort(x, kind="stable")
    centres: list[float] = []
    means: list[float] = []
    sizes: list[int] = []
    unique, starts, counts = np.unique(x[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(y[order], starts)
    for centre, total, count in zip(unique.tolist(), sums.tolist(), counts.tolist(), strict=True):
        centres.append(centre)
        means.append(total / count)
        sizes.append(count)
        while len(means) > 1 and (means[-2] >= means[-1] or sizes[-2] < min_block):
            _merge_last(centres, means, sizes)
    if len(means) > 1 and sizes[-1] < min_block:
        _merge_last(centres, means, sizes)
    return Isotonic(scores=np.asarray(centres), values=np.clip(means, 0.0, 1.0))


def fit_smooth(scores: ArrayLike, labels: ArrayLike, *, min_block: int) -> Isotonic:
    """The mean of isotonic regression and Platt's sigmoid.

    The first is right where the sigmoid has the wrong shape; the second tells scores apart that the
    first's steps and ends leave level, and varies less from sample to sample.
    """
    steps, line = fit_isotonic(scores, labels, min_block=min_block), fit_platt(scores, labels)
    x = np.asarray(scores, np.float64)
    margin = max(float(x.std()), EPSILON)
    even: Floats = np.linspace(float(x.min()) - margin, float(x.max()) + margin, _KNOTS)
    knots = np.unique(np.concatenate([even, steps.scores]))
    return Isotonic(scores=knots, values=(steps(knots) + line(knots)) / 2)


def _merge_last(centres: list[float], means: list[float], sizes: list[int]) -> None:
    size = sizes[-2] + sizes[-1]
    for column in (centres, means):
        column[-2] = (column[-2] * sizes[-2] + column[-1] * sizes[-1]) / size
        column.pop()
    sizes[-2] = size
    sizes.pop()


def _pairs(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError("calibration needs as many labels as scores, and at least one of each")
    if not np.isfinite(x).all() or y.min() < 0 or y.max() > 1:
        raise ValueError("calibration needs finite scores, and labels between 0 and 1")
    return x, y
