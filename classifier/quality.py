"""Is the fast tier enough: what kind of question it is, and how hard for its kind. NumPy only.

A request is placed among the kinds of question that training knew, softly. Each kind brings its mean
(the offset); a slope that all kinds share tells hard from easy within a kind. Fitted apart, neither
spoils the other: what tells two kinds apart says nothing about which question of a kind is hard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import Isotonic, softmax

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """What is said of one request."""

    p_fast: float  # the fast tier's answer scores at least as high as the deep tier's
    p_right: float  # the fast tier's answer is right, whatever the deep tier would say
    gain: float  # expected quality that the deep tier adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Kind by kind an offset, and one slope for all; of the fast tier's quality, then of the gain."""

    weights: Floats  # inputs x kinds
    bias: Floats
    offsets: Floats  # kinds x 2
    slopes: Floats  # inputs x 2

    def __call__(self, x: Floats) -> Doubles:
        """Raw fast quality and gain, a row each."""
        chances = softmax(x @ self.weights + self.bias)
        return chances @ self.offsets + x @ self.slopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The raw numbers, and calibration on top of each."""

    kinds: Kinds
    enough: Isotonic  # of the negated gain
    right: Isotonic  # of the fast quality

    def read(self, x: Floats) -> Chances:
        """The chances of one row of the head's inputs."""
        fast, gain = self.kinds(x[None])[0].tolist()
        return Chances(p_fast=float(self.enough(-gain)), p_right=float(self.right(fast)), gain=gain)


def arrays_of(quality: Quality) -> dict[str, NDArray[Any]]:
    """What is stored; the large ones in half precision."""
    kinds = quality.kinds
    return {
        "kinds.weights": kinds.weights.astype(np.float16),
        "kinds.bias": kinds.bias,
        "kinds.offsets": kinds.offsets,
        "kinds.slopes": kinds.slopes.astype(np.float16),
        "enough.scores": quality.enough.scores,
        "enough.values": quality.enough.values,
        "right.scores": quality.right.scores,
        "right.values": quality.right.values,
    }


def quality_of(arrays: Mapping[str, NDArray[Any]]) -> Quality:
    """The other way round."""
    names = ("weights", "bias", "offsets", "slopes")
    return Quality(
        kinds=Kinds(**{name: arrays[f"kinds.{name}"].astype(np.float32) for name in names}),
        enough=Isotonic(scores=arrays["enough.scores"], values=arrays["enough.values"]),
        right=Isotonic(scores=arrays["right.scores"], values=arrays["right.values"]),
    )
