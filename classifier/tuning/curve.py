"""Quality and dollars at a threshold, and over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.tuning.guarantee import GRID
from classifier.tuning.samples import Floats, Mask, Samples
from classifier.tuning.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a routing would have done with the samples. None: the samples do not say."""

    deep_share: float
    quality: float | None
    usd: float | None  # mean dollars of a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A `Point` per threshold of the grid, from everything deep to everything fast."""

    thresholds: Floats
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The same requests under two routings."""

    name: str  # a task, or "all"
    requests: int
    to_deep: int  # answered by the fast tier before, by the deep one after
    to_fast: int
    before: Point
    after: Point


def point(samples: Samples, fast: Mask) -> Point:
    """What it comes to when these requests are answered by the fast tier and the rest by the deep."""
    quality = np.where(fast, samples.fast, samples.deep_or_perfect)[~np.isnan(samples.fast)]
    usd = np.where(fast, samples.fast_usd, samples.deep_usd)
    known = usd[~np.isnan(usd)]
    return Point(
        deep_share=float((~fast).mean()),
        quality=float(quality.mean()) if quality.size else None,
        usd=float(known.mean()) if known.size else None,
    )


def at(samples: Samples, thresholds: Thresholds) -> Point:
    """What these thresholds come to."""
    return point(samples, thresholds.fast(samples))


def sweep(samples: Samples) -> Sweep:
    """Every threshold of the grid; above them, one that sends everything to the deep tier."""
    points = [point(samples, np.zeros(len(samples), bool))]
    points += [point(samples, samples.until >= threshold) for threshold in GRID]
    return Sweep(thresholds=np.concatenate([[np.inf], GRID]), points=tuple(points))


def what_if(samples: Samples, before: Thresholds, after: Thresholds) -> tuple[WhatIf, ...]:
    """All requests first, then those of each task, the most frequent first."""
    names, counts = np.unique(samples.tasks, return_counts=True)
    ordered = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    parts = [("all", samples)] + [(name, samples.only(samples.tasks == name)) for name in ordered]
    return tuple(_what_if(name, part, before, after) for name, part in parts)


def _what_if(name: str, samples: Samples, before: Thresholds, after: Thresholds) -> WhatIf:
    was, will = before.fast(samples), after.fast(samples)
    return WhatIf(
        name=name,
        requests=len(samples),
        to_deep=int((was & ~will).sum()),
        to_fast=int((~was & will).sum()),
        before=point(samples, was),
        after=point(samples, will),
    )
