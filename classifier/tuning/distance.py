"""How far requests lie from the prompts that the classifier was trained on, by their embeddings.

The distance of a prompt to the nearest training prompt is a good sign that a model does not know its
kind (Sun et al. 2022, arXiv:2204.06507). The training prompts are kept as prototypes (centres of
clusters). With one number a prompt it is a plain two-sample test; after a reduction by a trained
model such tests find shifts best (Rabanser et al. 2019, arXiv:1810.11953). Were the requests of the
same kind as the training prompts that the prototypes did not see, any split of both into such groups
would be as likely as the one at hand. The share of splits whose difference of means is as large is the p-value (Phipson & Smyth
2010: the one at hand counts among them). With enough requests it finds differences that do not matter,
so it is read together with the size of the difference, in standard deviations (Cohen's d).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.tuning.samples import Floats

SURE = 0.05  # a p-value from here on says nothing
SMALL, LARGE = 0.2, 0.8  # Cohen 1988
FEWEST = 30  # distinct prompts; of a task
_MOST = 2000  # more tell no more
_SPLITS = 2000
_SEED = 20_120_301


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """The training prompts. Distances are 1 - cosine, 0..2."""

    rows: NDArray[np.float32]  # (prototypes, dimensions), of length 1, seen from the centre
    centre: NDArray[np.float32]  # mean of the training prompts' embeddings
    known: Floats  # distance of training prompts that they were not made of to the nearest one

    def nearest(self, embeddings: NDArray[np.float32]) -> Floats:
        """Distance of each row to the nearest prototype."""
        around = centred(embeddings, self.centre)
        return 1.0 - (around @ self.rows.T).max(axis=1).astype(np.float64)


def centred(rows: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """At length 1 as seen from the centre: all embeddings share a direction that tells nothing.

    Mu & Viswanath 2018, arXiv:1702.01417.
    """
    apart = rows - centre
    return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), np.float32(1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Requests against the training prompts; each prompt counts once."""

    known: Floats
    now: Floats
    p_value: float
    farthest: str  # the task whose prompts are the newest; empty: not two have enough

    @property
    def effect(self) -> float:
        """How much farther they lie, in standard deviations of the training prompts' distances."""
        return float((self.now.mean() - self.known.mean()) / max(self.known.std(), 1e-9))

    @property
    def newer(self) -> bool:
        """Whether it is neither chance nor too little to matter."""
        return self.p_value < SURE and self.effect >= SMALL


def distance(
    embeddings: Sequence[bytes], tasks: Sequence[str], prototypes: Prototypes
) -> Distance | None:
    """Of float32 embeddings as the classifier computed them; None: too few, or of another encoder."""
    size = 4 * prototypes.rows.shape[1]
    distinct = {row: task for row, task in zip(embeddings, tasks, strict=True) if len(row) == size}
    if len(distinct) < FEWEST:
        return None
    dice = np.random.default_rng(_SEED)
    picked = dice.permutation(len(distinct))[:_MOST]
    rows = np.frombuffer(b"".join(distinct), np.float32).reshape(len(distinct), -1)[picked]
    now = prototypes.nearest(rows)
    return Distance(
        known=prototypes.known,
        now=now,
        p_value=_p_value(now, prototypes.known, dice),
        farthest=_farthest(now, np.array(list(distinct.values()))[picked]),
    )


def _p_value(now: Floats, known: Floats, dice: np.random.Generator) -> float:
    """One-sided: that they lie farther."""
    pooled = np.concatenate([now, known])
    split = [pooled[dice.permutation(pooled.size)[: now.size]].mean() for _ in range(_SPLITS)]
    as_large = int((np.array(split) >= now.mean() - 1e-12).sum())
    return (as_large + 1) / (_SPLITS + 1)


def _farthest(now: Floats, tasks: NDArray[np.str_]) -> str:
    names, counts = np.unique(tasks, return_counts=True)
    means = {str(name): float(now[tasks == name].mean()) for name in names[counts >= FEWEST]}
    return max(means, key=lambda name: means[name]) if len(means) > 1 else ""
