"""Figures on rows that the model in question has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.measures import auroc, curve, ece, reliability
from classifier.quality import Doubles
from scripts.training.quality import RIGHT, TOLERANCE, Crossed, Mask, Material, unseen_benchmarks
from scripts.training.rows import Outcome

FEWEST = 5  # right and wrong answers that a benchmark needs to count
RESAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Questions of one fast/deep pair, and what was said of each."""

    benchmarks: NDArray[np.str_]
    fast: Doubles
    deep: Doubles
    p_fast: Doubles
    p_right: Doubles
    raw_fast: Doubles
    named_gain: Doubles  # the mean gain of its benchmark over all folds: what its name tells

    @classmethod
    def of(cls, pair: Sequence[Outcome], crossed: Crossed) -> Judged:
        """All measured questions."""
        fast, deep = np.array([row.fast for row in pair]), np.array([row.deep for row in pair])
        benchmarks = np.array([row.benchmark for row in pair])
        _, index = np.unique(benchmarks, return_inverse=True)
        return cls(
            benchmarks=benchmarks,
            fast=fast,
            deep=deep,
            named_gain=(np.bincount(index, deep - fast) / np.bincount(index))[index],
            p_fast=crossed.p_fast,
            p_right=crossed.p_right,
            raw_fast=crossed.raw[:, 0],
        )

    def only(self, keep: NDArray[np.bool_] | NDArray[np.int_]) -> Judged:
        """Some of them."""
        return Judged(
            benchmarks=self.benchmarks[keep],
            fast=self.fast[keep],
            deep=self.deep[keep],
            p_fast=self.p_fast[keep],
            p_right=self.p_right[keep],
            raw_fast=self.raw_fast[keep],
            named_gain=self.named_gain[keep],
        )

    @property
    def enough(self) -> Mask:
        """Whether the fast tier's answer was about as good as the deep tier's."""
        return self.deep - self.fast <= TOLERANCE

    @property
    def fails(self) -> Mask:
        """Whether the fast tier's answer was wrong."""
        return self.fast < RIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """How well requests of one fast/deep pair are told apart."""

    rows: int
    fast: float
    deep: float
    by_p_fast: dict[str, float]
    by_p_right: dict[str, float]
    by_name: dict[str, float]
    right_auroc: float  # of "the fast tier fails"
    within: float  # the same inside one benchmark, mean over benchmarks
    per_benchmark: dict[str, float]
    ece: float
    ece_floor: float  # what a perfectly calibrated p_fast shows on so few rows
    right_ece: float
    bins: list[tuple[float, float, float]]
    routes: list[tuple[float, float, float]]  # threshold, deep share, quality


def pair_figures(judged: Judged) -> PairFigures:
    """All figures of these questions."""
    inside = within(judged)
    return PairFigures(
        rows=judged.fast.size,
        fast=float(judged.fast.mean()),
        deep=float(judged.deep.mean()),
        by_p_fast=curve_figures(-judged.p_fast, judged),
        by_p_right=curve_figures(-judged.p_right, judged),
        by_name=curve_figures(judged.named_gain, judged),
        right_auroc=auroc(-judged.p_right, judged.fails),
        within=mean_within(inside),
        per_benchmark=inside,
        ece=ece(judged.p_fast, judged.enough),
        ece_floor=chance_ece(judged.p_fast),
        right_ece=ece(judged.p_right, ~judged.fails),
        bins=reliability(judged.p_fast, judged.enough),
        routes=[routed(judged, threshold) for threshold in (0.35, 0.55, 0.7, 0.8, 0.85, 0.9)],
    )


def curve_figures(need: Doubles, judged: Judged) -> dict[str, float]:
    """RouteLLM's measures."""
    line = curve(need, judged.fast, judged.deep)
    return {
        "APGR": line.apgr,
        "CPT50": line.cpt(0.5),
        "CPT80": line.cpt(0.8),
        "within 1 pt": line.share_within(0.01),
    }


def within(judged: Judged) -> dict[str, float]:
    """AUROC of "the fast tier fails" inside each benchmark that has enough of both."""
    found: dict[str, float] = {}
    for name in np.unique(judged.benchmarks):
        inside = judged.benchmarks == name
        wrong = int(judged.fails[inside].sum())
        if min(wrong, int(inside.sum()) - wrong) >= FEWEST:
            found[str(name)] = auroc(-judged.raw_fast[inside], judged.fails[inside])
    return found


def mean_within(found: dict[str, float]) -> float:
    """Each benchmark counts the same."""
    return float(np.mean(list(found.values()))) if found else 0.5


def chance_ece(p: Doubles) -> float:
    """The calibration error that perfect chances would show on so few rows."""
    dice = np.random.default_rng(0)
    return float(np.mean([ece(p, dice.random(p.size) < p) for _ in range(RESAMPLES)]))


def routed(judged: Judged, threshold: float) -> tuple[float, float, float]:
    """The threshold, the share that it sends to the deep tier, and the quality of what comes back."""
    deep = judged.p_fast < threshold
    return threshold, float(deep.mean()), float(np.where(deep, judged.deep, judged.fast).mean())


def interval(
    judged: Judged, figure: Callable[[Judged], float], resamples: int = 1000
) -> tuple[float, float]:
    """95 % of the bootstrap resamples of the questions."""
    dice = np.random.default_rng(0)
    size = judged.fast.size
    drawn = [figure(judged.only(dice.integers(size, size=size))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return float(low), float(high)


def leave_one_benchmark_out(material: Material) -> dict[str, float]:
    """AUROC of "the fast tier fails" on each benchmark, by a model that never saw it."""
    measured = material.kinds[: material.folds.size]
    return {
        name: auroc(-raw[:, 0], ~material.right[measured == name])
        for name, raw in unseen_benchmarks(material).items()
    }
