"""Figures on rows that the model in question has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import Isotonic, Platt, fit_isotonic, fit_platt
from classifier.head import Floats
from classifier.measures import auroc, curve, ece, reliability
from scripts.training.fit import Mask, fit_quality
from scripts.training.rows import FOLDS, Outcome

GOOD = 0.5  # an answer with at least this score is good enough
MIN_BLOCK = 60  # rows behind each step of the calibration

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """How well requests of one fast/deep pair are told apart."""

    rows: int
    fast: float
    deep: float
    by_gain: dict[str, float]
    by_fail: dict[str, float]
    by_name: dict[str, float]  # as if only the benchmark's name were known
    auroc: float  # of "the fast tier fails"
    within: float  # the same inside one benchmark, mean over benchmarks
    ece: float
    ece_floor: float  # what a perfectly calibrated p_fast shows on so few rows
    better_auroc: float  # of "the deep tier does better", by the gain
    better_ece: float
    bins: list[tuple[float, float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Outputs for each row by a net that was trained on the other folds."""

    fast: Doubles
    gain: Doubles


def cross_fit(x: Floats, targets: Floats, folds: NDArray[np.int_], extra: int = 0) -> Crossed:
    """`extra` rows at the end of x and targets are trained on in every fold, never predicted."""
    rows = len(folds)
    out = np.zeros((rows, 2))
    for fold in range(FOLDS):
        seen = np.concatenate([folds != fold, np.ones(extra, bool)])
        out[folds == fold] = fit_quality(x[seen], targets[seen])(x[:rows][folds == fold])
    return Crossed(fast=out[:, 0], gain=out[:, 1])


def cross_calibrate(scores: Doubles, good: Mask, folds: NDArray[np.int_]) -> Doubles:
    """Each fold through a calibration that was fitted on the others."""
    out = np.zeros_like(scores)
    for fold in np.unique(folds):
        fitted = fit_isotonic(scores[folds != fold], good[folds != fold], min_block=MIN_BLOCK)
        out[folds == fold] = fitted(scores[folds == fold])
    return out


def calibration(scores: Doubles, good: Mask) -> Isotonic:
    """The calibration to ship: on all out-of-fold scores."""
    return fit_isotonic(scores, good, min_block=MIN_BLOCK)


def gain_calibration(rows: Sequence[Outcome], gain: Doubles) -> Platt:
    """Chance that the deep tier does better, from the gain: too few such rows for an isotonic fit."""
    return fit_platt(gain, [float(row.deep > row.fast) for row in rows])


def pair_figures(
    rows: Sequence[Outcome], crossed: Crossed, p_fast: Doubles, keep: Mask
) -> PairFigures:
    """Figures on the rows of `keep`."""
    chosen = [row for row, kept in zip(rows, keep, strict=True) if kept]
    fast = np.array([row.fast for row in chosen])
    deep = np.array([row.deep for row in chosen])
    fails = fast < GOOD
    names = [row.benchmark for row in chosen]
    return PairFigures(
        rows=len(chosen),
        fast=float(fast.mean()),
        deep=float(deep.mean()),
        by_gain=curve_figures(crossed.gain[keep], fast, deep),
        by_fail=curve_figures(-p_fast[keep], fast, deep),
        by_name=curve_figures(_table(rows, names), fast, deep),
        auroc=auroc(-p_fast[keep], fails),
        within=_within(-crossed.fast[keep], fails, names),
        ece=ece(p_fast[keep], ~fails),
        ece_floor=_ece_floor(p_fast[keep]),
        better_auroc=auroc(crossed.gain[keep], deep > fast),
        better_ece=ece(gain_calibration(rows, crossed.gain)(crossed.gain[keep]), deep > fast),
        bins=reliability(p_fast[keep], ~fails),
    )


def _ece_floor(p_fast: Doubles) -> float:
    dice = np.random.default_rng(0)
    draws = [ece(p_fast, dice.random(p_fast.size) < p_fast) for _ in range(200)]
    return float(np.mean(draws))


def curve_figures(need: Doubles, fast: Doubles, deep: Doubles) -> dict[str, float]:
    """RouteLLM's measures."""
    line = curve(need, fast, deep)
    return {
        "APGR": line.apgr,
        "CPT50": line.cpt(0.5),
        "CPT80": line.cpt(0.8),
        "within 1 pt": line.share_within(0.01),
    }


def _table(rows: Sequence[Outcome], names: Sequence[str]) -> Doubles:
    gains: dict[str, list[float]] = {}
    for row in rows:
        gains.setdefault(row.benchmark, []).append(row.deep - row.fast)
    return np.array([float(np.mean(gains[name])) for name in names])


def _within(scores: Doubles, labels: Mask, names: Sequence[str]) -> float:
    column = np.asarray(names)
    found: list[tuple[float, int]] = []
    for name in np.unique(column):
        inside = column == name
        if 0 < labels[inside].sum() < inside.sum():
            found.append((auroc(scores[inside], labels[inside]), int(inside.sum())))
    return float(np.average([a for a, _ in found], weights=[n for _, n in found]))


def leave_one_benchmark_out(
    rows: Sequence[Outcome], x: Floats, targets: Floats
) -> dict[str, float]:
    """AUROC of "the fast tier fails" on each benchmark, by a net that never saw it."""
    names = np.array([row.benchmark for row in rows])
    fails = np.array([row.fast < GOOD for row in rows])
    found: dict[str, float] = {}
    for name in np.unique(names):
        seen = np.concatenate([names != name, np.ones(len(x) - len(rows), bool)])
        held = names == name
        out = fit_quality(x[seen], targets[seen])(x[: len(rows)][held])
        found[str(name)] = auroc(-out[:, 0], fails[held])
    return found
