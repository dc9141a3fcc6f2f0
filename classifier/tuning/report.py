"""All that a tuning has to say, as numbers; printing and drawing are others' business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifier.measures import auroc, curve, reliability
from classifier.tuning.confusion import Confusion, confusion
from classifier.tuning.curve import Point, Sweep, WhatIf, at, sweep, what_if
from classifier.tuning.drift import Baseline, Drift, drift
from classifier.tuning.guarantee import TaskGuarantees, bounds, guarantee_by_task
from classifier.tuning.samples import GOOD, Floats, Mask, Samples
from classifier.tuning.targets import Choice, MaxDrop, Target, choose
from classifier.tuning.thresholds import Thresholds

SCORE_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What only samples with a known fast quality can tell."""

    samples: int
    assumed: int  # of them, whose deep quality is not known and counts as perfect
    current_drop: float  # against the deep tier alone, with the current thresholds
    current_interval: tuple[float, float]
    apgr: float | None  # of the scores, where the deep tier is better at all
    auroc: float  # of "the fast tier is good enough"
    bins: tuple[tuple[float, float, float], ...]  # said, seen, share
    enough: Floats  # how many scores in each bin were of good enough answers
    too_little: Floats
    by_task: TaskGuarantees


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningReport:
    """`source` and `classifier` say whose samples these are, and who made their scores."""

    source: str
    classifier: str
    requests: int
    days: float | None
    target: Target
    current: Thresholds
    choice: Choice
    now: Point
    then: Point | None  # with the chosen thresholds
    sweep: Sweep
    moves: tuple[WhatIf, ...]  # empty where nothing is chosen
    quality: Quality | None
    confusion: Confusion | None
    drift: Drift | None

    @property
    def per_day(self) -> float | None:
        """Requests a day."""
        return None if self.days is None else self.requests / self.days


def build_report(
    samples: Samples,
    target: Target,
    current: Thresholds,
    *,
    source: str,
    classifier: str,
    baseline: Baseline | None = None,
    embeddings: Sequence[bytes] = (),
) -> TuningReport:
    """Choose thresholds, and say what they come to. Raises `TuningError` for what cannot be done.

    embeddings: of each sample, or none.
    """
    choice = choose(samples, target)
    chosen = choice.thresholds
    return TuningReport(
        source=source,
        classifier=classifier,
        requests=len(samples),
        days=samples.days,
        target=target,
        current=current,
        choice=choice,
        now=at(samples, current),
        then=None if chosen is None else at(samples, chosen),
        sweep=sweep(samples),
        moves=() if chosen is None else what_if(samples, current, chosen),
        quality=_quality(samples, target, current) if len(samples.judged) else None,
        confusion=confusion(samples, current),
        drift=None if baseline is None else drift(samples, baseline, classifier, embeddings),
    )


def fast_is_enough(samples: Samples) -> Mask:
    """Whether the fast answer was as good as the deep one, or good where that one is not known."""
    bar = np.where(np.isnan(samples.deep), GOOD, samples.deep)
    return samples.fast >= bar


def _quality(samples: Samples, target: Target, current: Thresholds) -> Quality:
    known = samples.judged
    aim = target if isinstance(target, MaxDrop) else MaxDrop()
    losses = np.where(current.fast(known), known.drops, 0.0)
    enough = fast_is_enough(known)
    line = curve(-known.until, known.fast, known.deep_or_perfect)
    return Quality(
        samples=len(known),
        assumed=samples.assumed,
        current_drop=float(losses.mean()),
        current_interval=bounds(losses, aim.confidence),
        apgr=line.apgr if line.gap > 0 else None,
        auroc=auroc(known.p_fast, enough),
        bins=tuple(reliability(known.p_fast, enough)),
        enough=_histogram(known.p_fast[enough]),
        too_little=_histogram(known.p_fast[~enough]),
        by_task=guarantee_by_task(samples, aim.drop, aim.confidence),
    )


def _histogram(scores: Floats) -> Floats:
    counts, _ = np.histogram(scores, bins=SCORE_BINS, range=(0.0, 1.0))
    return counts.astype(np.float64)
