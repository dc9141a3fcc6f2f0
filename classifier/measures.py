"""How good a router's scores are: RouteLLM's cost-quality measures, AUROC, calibration error. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifier.calibrate import EPSILON

Floats = NDArray[np.float64]

RESAMPLINGS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Quality over the share of requests that go to the deep tier, neediest first.

    Requests with the same score move together, so a constant score is a straight line.
    """

    shares: Floats
    quality: Floats

    @property
    def gap(self) -> float:
        """What the deep tier adds when it gets everything."""
        return float(self.quality[-1] - self.quality[0])

    @property
    def pgr(self) -> Floats:
        """Performance gap recovered at each share."""
        return (self.quality - self.quality[0]) / self.gap

    @property
    def apgr(self) -> float:
        """Average performance gap recovered: the area under `pgr`."""
        return float(np.trapezoid(self.pgr, self.shares))

    def cpt(self, recovered: float) -> float:
        """Call-performance threshold: the least deep share that recovers this part of the gap."""
        return _first_share(self.shares, self.pgr, recovered)

    def share_within(self, points: float) -> float:
        """The least deep share whose quality stays within `points` of deep-only."""
        return _first_share(self.shares, self.quality, float(self.quality[-1]) - points)


def curve(need: ArrayLike, fast: ArrayLike, deep: ArrayLike) -> Curve:
    """The curve of sending the requests with the highest `need` to the deep tier first."""
    score = np.asarray(need, np.float64)
    weak, strong = np.asarray(fast, np.float64), np.asarray(deep, np.float64)
    order = np.argsort(-score, kind="stable")
    gains = np.cumsum((strong - weak)[order]) / score.size
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    start = float(weak.mean())
    return Curve(
        shares=np.concatenate([[0.0], (ends + 1) / score.size]),
        quality=np.concatenate([[start], start + gains[ends]]),
    )


def _first_share(shares: Floats, heights: Floats, target: float) -> float:
    reached = np.flatnonzero(heights >= target - 1e-12)
    if not reached.size:
        return 1.0
    at = int(reached[0])
    if at == 0:
        return 0.0
    low, high = heights[at - 1], heights[at]
    part = (target - low) / (high - low)
    return float(shares[at - 1] + part * (shares[at] - shares[at - 1]))


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Chance that a positive outranks a negative; 0.5 when there is only one class."""
    x, y = np.asarray(scores, np.float64), np.asarray(labels, bool)
    positives, negatives = int(y.sum()), int((~y).sum())
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[y].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins."""
    return sum(
        weight * abs(said - seen) for said, seen, weight in reliability(probabilities, labels, bins)
    )


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10
) -> list[tuple[float, float, float]]:
    """Per filled bin: mean probability, mean outcome, share of rows."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    index = np.minimum((p * bins).astype(int), bins - 1)
    return [
        (float(p[index == b].mean()), float(y[index == b].mean()), float((index == b).mean()))
        for b in range(bins)
        if (index == b).any()
    ]


def log_losses(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """What each row's probability costs; labels may be soft (0..1)."""
    p = np.clip(np.asarray(probabilities, np.float64), EPSILON, 1 - EPSILON)
    y = np.asarray(labels, np.float64)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def mean_interval(
    values: Floats, weights: Floats, confidence: float, chance: np.random.Generator
) -> tuple[float, float]:
    """Where the weighted mean lies, by resampling the rows; each end is off in 1 - confidence."""
    means: list[float] = []
    for _ in range(RESAMPLINGS):
        picked = chance.integers(values.size, size=values.size)
        means.append(float(np.average(values[picked], weights=weights[picked])))
    return float(np.quantile(means, 1 - confidence)), float(np.quantile(means, confidence))


def f1_per_class(truth: list[str], said: list[str]) -> dict[str, float]:
    """F1 of each class that occurs in `truth`."""
    result: dict[str, float] = {}
    for name in sorted(set(truth)):
        hits = sum(t == s == name for t, s in zip(truth, said, strict=True))
        result[name] = 2 * hits / max(truth.count(name) + said.count(name), 1)
    return result
