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
from threadpoolctl import threadpool_limits

from classifier.bag import Bag, bag
from classifier.calibrate import fit_smooth
from classifier.features import FORM_NAMES
from classifier.quality import KIND_BUCKETS, Doubles, Floats, Kinds, Quality, Words
from scripts.training.rows import FOLDS, Labelled, Outcome
from scripts.training.slopes import Sparse, counted, fit_slopes, rarity, sparse, weighed

Mask: TypeAlias = NDArray[np.bool_]

RIGHT = 0.5  # an answer with at least this score is right
TOLERANCE = 0.25  # an answer that scores so much less than the deep tier's is still good enough
DEEP_GUESS = 0.95  # a large model's quality on our own prompts, as a guess
KIND_FREEDOM = 0.05  # scikit-learn's C of the softmax over kinds
KIND_WORDS = 30.0  # what a text's words weigh in it beside the other inputs
GUESS_WEIGHT = 0.3  # of one of our own prompts in the slopes, beside a measured question
MIN_BLOCK = 150  # rows behind each step of the calibration
STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One fast/deep pair on measured questions, then our own prompts with guessed quality."""

    x: Floats
    bags: list[Bag]
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
            bags=[bag(row.ask.full) for row in (*pair, *own)],
            kinds=np.array([kind for kind, _, _ in both]),
            targets=np.array([(fast, gain) for _, fast, gain in both]),
            folds=np.array([row.fold for row in pair]),
        )

    def bags_of(self, keep: Mask) -> list[Bag]:
        """Of these rows, or of these of the measured questions."""
        return [self.bags[int(at)] for at in np.flatnonzero(keep)]

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
    """The softmax by maximum likelihood, then offsets and slopes by least squares."""
    with threadpool_limits(1):  # many small products, in which threads only wait for each other
        return _fitted(material, keep)


def _fitted(material: Material, keep: Mask) -> Kinds:
    x, kinds, targets = material.x[keep], material.kinds[keep], material.targets[keep]
    index = np.unique(kinds, return_inverse=True)[1]
    rows = counted(material.bags_of(keep))
    rare = rarity(rows)
    words = weighed(rows, rare)
    weights, bias = _softmax(_softmax_inputs(x, words), index)
    slopes = fit_slopes(
        x,
        words,
        index,
        targets.astype(np.float32),
        _weights(kinds),
        turning=max(x.shape[1] - len(FORM_NAMES), 0),
    )
    inputs = x.shape[1]
    return Kinds(
        weights=weights[:inputs],
        bias=bias,
        offsets=slopes.offsets,
        slopes=slopes.inputs,
        words=Words(rarity=rare, kinds=weights[inputs:] * KIND_WORDS, slopes=slopes.words),
    )


def _softmax_inputs(x: Floats, words: Sparse) -> Sparse:
    """The inputs, then the words in fewer buckets."""
    folded = sparse.csr_matrix(
        (words.data * np.float32(KIND_WORDS), words.indices % KIND_BUCKETS, words.indptr.copy()),
        shape=(len(x), KIND_BUCKETS),
    )
    folded.sum_duplicates()  # in place, the copy of indptr as well
    return sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(x), folded]))


def _softmax(inputs: Sparse, index: NDArray[np.int_]) -> tuple[Floats, Floats]:
    model: Any = LogisticRegression(C=KIND_FREEDOM, max_iter=STEPS, tol=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
        model.fit(inputs, index)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # of two kinds only the second's logit is given
        weights, bias = np.hstack([0 * weights, weights]), np.append(0, bias)
    return weights.astype(np.float32), bias.astype(np.float32)


def _weights(kinds: NDArray[np.str_]) -> Floats:
    return np.where(np.char.startswith(kinds, "own "), GUESS_WEIGHT, 1.0).astype(np.float32)


def cross_fit(material: Material) -> Crossed:
    """A model for each fold of the measured questions; our own prompts are in all of them."""
    rows = material.folds.size
    raw = np.zeros((rows, 2))
    for fold in range(FOLDS):
        held = material.folds == fold
        seen = np.concatenate([~held, np.ones(len(material.x) - rows, bool)])
        raw[held] = _said(fit_kinds(material, seen), material, held)
    return Crossed(
        raw=raw,
        p_fast=_cross_calibrate(-raw[:, 1], material.enough, material.folds),
        p_right=_cross_calibrate(raw[:, 0], material.right, material.folds),
    )


def _cross_calibrate(scores: Doubles, labels: Mask, folds: NDArray[np.int_]) -> Doubles:
    """Each fold through a calibration that was fitted on the others."""
    out = np.zeros_like(scores)
    for fold in np.unique(folds):
        fitted = fit_smooth(scores[folds != fold], labels[folds != fold], min_block=MIN_BLOCK)
        out[folds == fold] = fitted(scores[folds == fold])
    return out


def fit_quality(material: Material, crossed: Crossed) -> Quality:
    """The model to ship: fitted on every row, calibrated on what was said of unseen rows."""
    return Quality(
        kinds=fit_kinds(material, np.ones(len(material.x), bool)),
        enough=fit_smooth(-crossed.raw[:, 1], material.enough, min_block=MIN_BLOCK),
        right=fit_smooth(crossed.raw[:, 0], material.right, min_block=MIN_BLOCK),
    )


def unseen_benchmarks(material: Material) -> dict[str, Doubles]:
    """What is said of each benchmark's questions by a model that saw none of them."""
    rows = material.folds.size
    names = np.unique(material.kinds[:rows])
    return {
        str(name): _said(
            fit_kinds(material, material.kinds != name), material, material.kinds[:rows] == name
        )
        for name in names
    }


def _said(kinds: Kinds, material: Material, held: Mask) -> Doubles:
    """Of these measured questions."""
    return kinds(material.x[: held.size][held], material.bags_of(held))
