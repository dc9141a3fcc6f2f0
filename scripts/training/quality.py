"""Fits "is the fast tier enough", and predicts each row by a model that has not seen its fold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from classifier.calibrate import fit_isotonic
from classifier.quality import Doubles, Floats, Kinds, Quality
from scripts.training.rows import FOLDS, Labelled, Outcome

Mask: TypeAlias = NDArray[np.bool_]

RIGHT = 0.5  # an answer with at least this score is right
TOLERANCE = 0.25  # an answer that scores so much less than the deep tier's is still good enough
DEEP_GUESS = 0.95  # a large model's quality on our own prompts, as a guess
KIND_FREEDOM = 0.05  # scikit-learn's C of the softmax over kinds
SLOPE_PENALTIES = (1000.0, 3000.0)  # of fast quality and gain; measured scores are noisy
GUESS_WEIGHT = 0.3  # of one of our own prompts in the slope, beside a measured question
MIN_BLOCK = 60  # rows behind each step of the calibration
STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One fast/deep pair on measured questions, then our own prompts with guessed quality."""

    x: Floats
    kinds: NDArray[np.str_]
    targets: Doubles  # fast quality, gain
    folds: NDArray[np.int_]  # of the measured questions only

    @classmethod
    def of(
        cls, pair: Sequence[Outcome], own: Sequence[Labelled], x: Floats, x_own: Floats
    ) -> Material:
        """Kinds are benchmarks, and for our own prompts task and guess: no measurement is finer."""
        measured = [(row.benchmark, row.fast, row.deep - row.fast) for row in pair]
        guessed = [(f"own {row.task} {row.fast}", row.fast, DEEP_GUESS - row.fast) for row in own]
        both = measured + guessed
        return cls(
            x=np.vstack([x, x_own]),
            kinds=np.array([kind for kind, _, _ in both]),
            targets=np.array([(fast, gain) for _, fast, gain in both]),
            folds=np.array([row.fold for row in pair]),
        )

    @property
    def right(self) -> Mask:
        """Whether the fast tier's answer is right, of the measured questions."""
        return self.targets[: self.folds.size, 0] >= RIGHT

    @property
    def enough(self) -> Mask:
        """Whether it is good enough: about as good as the deep tier's."""
        return self.targets[: self.folds.size, 1] <= TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What is said of each measured question by models that did not see its fold."""

    raw: Doubles  # fast quality, gain
    p_fast: Doubles
    p_right: Doubles


def fit_kinds(material: Material, keep: Mask) -> Kinds:
    """The softmax by maximum likelihood, then offsets and slope in closed form."""
    x, kinds, targets = material.x[keep], material.kinds[keep], material.targets[keep]
    names, index = np.unique(kinds, return_inverse=True)
    weights, bias = _softmax(x, index)
    members = np.eye(names.size)[index]
    sizes = members.sum(axis=0)[:, None]
    x_means, target_means = members.T @ x / sizes, members.T @ targets / sizes
    slopes = _slopes(x - x_means[index], targets - target_means[index], _weights(kinds))
    return Kinds(
        weights=weights,
        bias=bias,
        offsets=(target_means - x_means @ slopes).astype(np.float32),
        slopes=slopes.astype(np.float32),
    )


def _softmax(x: Floats, index: NDArray[np.int_]) -> tuple[Floats, Floats]:
    model: Any = LogisticRegression(C=KIND_FREEDOM, max_iter=STEPS, tol=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
        model.fit(x, index)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # of two kinds only the second's logit is given
        weights, bias = np.hstack([0 * weights, weights]), np.append(0, bias)
    return weights.astype(np.float32), bias.astype(np.float32)


def _slopes(x: Doubles, targets: Doubles, weights: Doubles) -> Doubles:
    """Ridge regression on what differs within a kind."""
    weighted = x * weights[:, None]
    gram, moments = weighted.T @ x, weighted.T @ targets
    columns = [
        np.linalg.solve(gram + penalty * np.eye(len(gram)), moments[:, column])
        for column, penalty in enumerate(SLOPE_PENALTIES)
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _weights(kinds: NDArray[np.str_]) -> Doubles:
    return np.where(np.char.startswith(kinds, "own "), GUESS_WEIGHT, 1.0)


def cross_fit(material: Material) -> Crossed:
    """A model for each fold of the measured questions; our own prompts are in all of them."""
    rows = material.folds.size
    raw = np.zeros((rows, 2))
    for fold in range(FOLDS):
        held = material.folds == fold
        seen = np.concatenate([~held, np.ones(len(material.x) - rows, bool)])
        raw[held] = fit_kinds(material, seen)(material.x[:rows][held])
    return Crossed(
        raw=raw,
        p_fast=_cross_calibrate(-raw[:, 1], material.enough, material.folds),
        p_right=_cross_calibrate(raw[:, 0], material.right, material.folds),
    )


def _cross_calibrate(scores: Doubles, labels: Mask, folds: NDArray[np.int_]) -> Doubles:
    """Each fold through a calibration that was fitted on the others."""
    out = np.zeros_like(scores)
    for fold in np.unique(folds):
        fitted = fit_isotonic(scores[folds != fold], labels[folds != fold], min_block=MIN_BLOCK)
        out[folds == fold] = fitted(scores[folds == fold])
    return out


def fit_quality(material: Material, crossed: Crossed) -> Quality:
    """The model to ship: fitted on every row, calibrated on what was said of unseen rows."""
    return Quality(
        kinds=fit_kinds(material, np.ones(len(material.x), bool)),
        enough=fit_isotonic(-crossed.raw[:, 1], material.enough, min_block=MIN_BLOCK),
        right=fit_isotonic(crossed.raw[:, 0], material.right, min_block=MIN_BLOCK),
    )


def unseen_benchmarks(material: Material) -> dict[str, Doubles]:
    """What is said of each benchmark's questions by a model that saw none of them."""
    rows = material.folds.size
    names = np.unique(material.kinds[:rows])
    return {
        str(name): fit_kinds(material, material.kinds != name)(
            material.x[:rows][material.kinds[:rows] == name]
        )
        for name in names
    }
