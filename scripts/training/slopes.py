"""Ridge regression inside kinds: a slope for all, one for each kind near it, and a weight per word."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import scipy.sparse as typed_sparse
from numpy.typing import NDArray

from classifier.bag import BUCKETS, Bag
from classifier.quality import Floats

sparse: Any = typed_sparse  # its own annotations are half there
Sparse: TypeAlias = Any  # rows x buckets, in compressed rows
Array: TypeAlias = NDArray[Any]  # in single precision: twice as fast, and no figure changes

PENALTIES: Final = (20.0, 40.0)  # of fast quality and of gain; measured scores are noisy
OWN: Final = 2.0  # how freely a kind's slope leaves the shared one, as a variance beside that one's
WORDS: Final = 4.0  # the same of a text's words
LEAST_TEXTS: Final = 2  # a word in fewer says nothing
STEPS: Final = 30  # of conjugate gradients; four times as many change no figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """For fast quality and gain."""

    inputs: Floats  # kinds x inputs x 2
    words: Floats  # buckets x 2
    offsets: Floats  # kinds x 2: what makes each kind's mean right


def counted(bags: list[Bag]) -> Sparse:
    """A row of ones per bag."""
    ends = np.cumsum([0, *(found.size for found in bags)])
    ones = np.ones(int(ends[-1]), np.float32)
    columns = np.concatenate([*bags, np.zeros(0, np.int64)])
    return sparse.csr_matrix((ones, columns, ends), shape=(len(bags), BUCKETS))


def rarity(rows: Sparse) -> Floats:
    """The usual inverse document frequency of each bucket."""
    texts = np.asarray(rows.sum(axis=0)).ravel()
    rare = np.log((1 + rows.shape[0]) / (1 + texts)) + 1
    return np.where(texts >= LEAST_TEXTS, rare, 0).astype(np.float32)


def weighed(rows: Sparse, rare: Floats) -> Sparse:
    """Each row at length 1, rare words more."""
    scaled = rows @ sparse.diags(rare)
    lengths = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    inverse = (1 / np.maximum(lengths, 1e-9)).astype(np.float32)
    found = sparse.csr_matrix(sparse.diags(inverse) @ scaled)
    found.eliminate_zeros()
    return found


class _Problem:
    """The regression's products, on rows sorted by kind, each kind's means taken off."""

    def __init__(
        self, x: Array, words: Sparse, kinds: NDArray[np.int_], weights: Array, turning: int
    ) -> None:
        self.sizes = np.bincount(kinds)
        ends: list[int] = np.cumsum(self.sizes).tolist()
        self.parts = [slice(*part) for part in pairwise([0, *ends])]
        self.weights = weights[:, None]
        inside = self.centred(x)
        self.scale = np.float32(1 / max(np.sqrt((inside**2).sum() / len(x)), 1e-9))
        self.x = inside * self.scale
        self.turning = self.x[:, :turning] * np.float32(np.sqrt(OWN))
        self.words = words * np.float32(np.sqrt(WORDS))
        self.back = sparse.csr_matrix(self.words.T)

    def centred(self, rows: Array) -> Array:
        means = np.stack([rows[part].mean(axis=0) for part in self.parts])
        return rows - np.repeat(means, self.sizes, axis=0)

    def forward(self, at: list[Array]) -> Array:
        shared, own, words = at
        said = self.x @ shared + self.centred(self.words @ words)
        for kind, part in enumerate(self.parts):
            said[part] += self.turning[part] @ own[kind]
        return said

    def backward(self, rest: Array) -> list[Array]:
        weighted = self.weights * rest
        own = [self.turning[part].T @ weighted[part] for part in self.parts]
        return [self.x.T @ weighted, np.stack(own), self.back @ self.centred(weighted)]


def fit_slopes(
    x: Array,
    words: Sparse,
    kinds: NDArray[np.int_],
    targets: Array,
    weights: Array,
    *,
    turning: int,
) -> Slopes:
    """Rows' inputs, `weighed` words, number of kind, fast quality and gain, weight.

    Only the first `turning` inputs have a slope per kind.
    """
    order = np.argsort(kinds, kind="stable")
    used = np.unique(words.indices)
    x, kinds, targets = x[order], kinds[order], targets[order]
    words = words[order][:, used]
    problem = _Problem(x, words, kinds, weights[order], turning)
    shared, own, by_word = _solved(problem, problem.centred(targets))
    inputs = np.repeat((shared * problem.scale)[None], len(problem.parts), axis=0)
    inputs[:, :turning] += own * problem.scale * np.float32(np.sqrt(OWN))
    spoken = problem.words @ by_word
    left = [
        (targets[part] - x[part] @ inputs[kind] - spoken[part]).mean(axis=0)
        for kind, part in enumerate(problem.parts)
    ]
    every_word = np.zeros((BUCKETS, 2), np.float32)
    every_word[used] = by_word * np.float32(np.sqrt(WORDS))
    return Slopes(
        inputs=inputs.astype(np.float32),
        words=every_word,
        offsets=np.stack(left).astype(np.float32),
    )


def _solved(problem: _Problem, targets: Array) -> list[Array]:
    """Conjugate gradients on the normal equations, both targets side by side."""
    penalty = np.array(PENALTIES, np.float32)
    rest = problem.backward(targets)
    found = [np.zeros_like(part) for part in rest]
    way = [part.copy() for part in rest]
    size = _dot(rest, rest)
    for _ in range(STEPS):
        turned = problem.backward(problem.forward(way))
        bent = [part + penalty * step for part, step in zip(turned, way, strict=True)]
        length = size / np.maximum(_dot(way, bent), 1e-30)
        for at, step, left, bend in zip(found, way, rest, bent, strict=True):
            at += length * step
            left -= length * bend
        size, before = _dot(rest, rest), size
        onward = size / np.maximum(before, 1e-30)
        way = [left + onward * step for left, step in zip(rest, way, strict=True)]
    return found


def _dot(left: list[Array], right: list[Array]) -> Array:
    """For each target."""
    sums = [(a * b).reshape(-1, 2).sum(axis=0) for a, b in zip(left, right, strict=True)]
    return np.stack(sums).sum(axis=0)
