"""Samples for tests, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifier.tuning.distance import Prototypes
from classifier.tuning.samples import Sample, Samples


def samples(
    p_fast: Sequence[float],
    fast: Sequence[float | None],
    deep: Sequence[float | None] | None = None,
    tasks: Sequence[str] | None = None,
) -> Samples:
    """One sample per column entry."""
    size = len(p_fast)
    deep = [1.0] * size if deep is None else deep
    tasks = ["code"] * size if tasks is None else tasks
    rows = zip(tasks, p_fast, fast, deep, strict=True)
    return Samples.of(
        [Sample(task=t, p_fast=p, fast_quality=f, deep_quality=d) for t, p, f, d in rows]
    )


def drawn(
    size: int, *, seed: int = 0, sharpness: float = 1.0, tasks: Sequence[str] = ("code",)
) -> Samples:
    """A calibrated router: the fast tier is right with chance p_fast ** sharpness, the deep with 0.95."""
    dice = np.random.default_rng(seed)
    p_fast = dice.beta(2, 1, size)
    fast = dice.random(size) < p_fast**sharpness
    deep = dice.random(size) < 0.95
    names = dice.choice(list(tasks), size).tolist()
    return samples(p_fast.tolist(), fast.astype(float).tolist(), deep.astype(float).tolist(), names)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """The rows at length 1, as an encoder gives them."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def prototypes(dice: np.random.Generator) -> Prototypes:
    """Of prompts that lie in all directions."""
    found = Prototypes(
        rows=unit(dice.normal(size=(32, 8))), centre=np.zeros(8, np.float32), known=np.zeros(0)
    )
    return replace(found, known=found.nearest(unit(dice.normal(size=(400, 8)))))
