"""What a retrained head has learned from traffic: a layer on top of the chance that training gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifier.calibrate import logit, sigmoid

Floats: TypeAlias = NDArray[np.float64]

_PREFIX = "learned."


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """P = sigmoid(scale * logit(p) + shift + x . weights). The default changes nothing.

    `weights` has one for each of the head's inputs, or none at all.
    """

    scale: float = 1.0
    shift: float = 0.0
    weights: Floats = field(default_factory=lambda: np.zeros(0))

    def __call__(self, p_fast: ArrayLike, x: NDArray[Any]) -> Floats:
        """Corrected chances of one row of inputs or of many."""
        if not self.weights.size and (self.scale, self.shift) == (1.0, 0.0):
            return np.asarray(p_fast, np.float64)
        turn = x @ self.weights if self.weights.size else 0.0
        return sigmoid(self.scale * logit(p_fast) + self.shift + turn)


def arrays_of(correction: Correction) -> dict[str, NDArray[Any]]:
    """What is stored in the head's file."""
    return {
        f"{_PREFIX}line": np.asarray([correction.scale, correction.shift]),
        f"{_PREFIX}weights": correction.weights.astype(np.float32),
    }


def correction_of(arrays: Mapping[str, NDArray[Any]]) -> Correction:
    """The other way round; a head that learned nothing has none."""
    if f"{_PREFIX}line" not in arrays:
        return Correction()
    scale, shift = arrays[f"{_PREFIX}line"].tolist()
    weights = arrays[f"{_PREFIX}weights"].astype(np.float64)
    return Correction(scale=scale, shift=shift, weights=weights)
