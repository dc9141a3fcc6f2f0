"""Is the fast tier enough: what kind of question it is, and how hard for its kind. NumPy only.

A request is placed among the kinds of question that training knew, softly. Each kind brings its mean
(the offset) and its own slope, which is pulled to the one that all kinds share; a weight for each word
is added. Offsets and the rest are fitted apart, so that neither spoils the other: what tells two kinds
apart says nothing about which question of a kind is hard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.bag import Bag, bag
from classifier.calibrate import Isotonic, softmax

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]

KIND_BUCKETS = 1 << 13  # the lower bits of a word's bucket say enough of its kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """What is said of one request."""

    p_fast: float  # the fast tier's answer scores at least as high as the deep tier's
    p_right: float  # the fast tier's answer is right, whatever the deep tier would say
    gain: float  # expected quality that the deep tier adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a text's words say, whatever its embedding says. A bag counts at length 1, rare words more."""

    rarity: Floats  # buckets; 0 where training met a word only once
    kinds: Floats  # kind buckets x kinds
    slopes: Floats  # buckets x 2

    def __call__(self, found: Bag) -> tuple[Floats, Floats]:
        """What to add to the logit of each kind, and to fast quality and gain."""
        counted = self.rarity[found]
        counted /= max(float(np.sqrt(counted @ counted)), 1e-9)
        return counted @ self.kinds[found % KIND_BUCKETS], counted @ self.slopes[found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Kind by kind an offset and a slope, of the fast tier's quality and of the gain; words for all."""

    weights: Floats  # inputs x kinds
    bias: Floats
    offsets: Floats  # kinds x 2
    slopes: Floats  # kinds x inputs x 2
    words: Words

    def __call__(self, x: Floats, bags: Sequence[Bag]) -> Doubles:
        """Raw fast quality and gain, a row each."""
        said = [self.words(found) for found in bags]
        logits = x @ self.weights + self.bias + np.stack([kinds for kinds, _ in said])
        by_kind = np.moveaxis(x @ self.slopes, 0, 1) + self.offsets
        mixed = (softmax(logits)[:, None] @ by_kind)[:, 0]
        return mixed + np.stack([words for _, words in said])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The raw numbers, and calibration on top of each."""

    kinds: Kinds
    enough: Isotonic  # of the negated gain
    right: Isotonic  # of the fast quality

    def read(self, x: Floats, text: str = "") -> Chances:
        """The chances of one row of the head's inputs; without its text, its words say nothing."""
        fast, gain = self.kinds(x[None], [bag(text)])[0].tolist()
        return Chances(p_fast=self.p_fast(gain), p_right=float(self.right(fast)), gain=gain)

    def p_fast(self, gain: float) -> float:
        """The chance that goes with a gain."""
        return float(self.enough(-gain))


def arrays_of(quality: Quality) -> dict[str, NDArray[Any]]:
    """What is stored; the large ones in half precision."""
    kinds, words = quality.kinds, quality.kinds.words
    return {
        "kinds.weights": kinds.weights.astype(np.float16),
        "kinds.bias": kinds.bias,
        "kinds.offsets": kinds.offsets,
        "kinds.slopes": kinds.slopes.astype(np.float16),
        "words.rarity": words.rarity.astype(np.float16),
        "words.kinds": words.kinds.astype(np.float16),
        "words.slopes": words.slopes.astype(np.float16),
        "enough.scores": quality.enough.scores,
        "enough.values": quality.enough.values,
        "right.scores": quality.right.scores,
        "right.values": quality.right.values,
    }


def quality_of(arrays: Mapping[str, NDArray[Any]]) -> Quality:
    """The other way round."""

    def stored(part: str, *names: str) -> dict[str, Floats]:
        return {name: arrays[f"{part}.{name}"].astype(np.float32) for name in names}

    return Quality(
        kinds=Kinds(
            **stored("kinds", "weights", "bias", "offsets", "slopes"),
            words=Words(**stored("words", "rarity", "kinds", "slopes")),
        ),
        enough=Isotonic(scores=arrays["enough.scores"], values=arrays["enough.values"]),
        right=Isotonic(scores=arrays["right.scores"], values=arrays["right.values"]),
    )
