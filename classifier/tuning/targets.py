"""What a user may ask thresholds for, and the thresholds that do it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from classifier.tuning.curve import point
from classifier.tuning.guarantee import (
    GRID,
    Guarantee,
    NoGuarantee,
    TaskGuarantees,
    guarantee,
    guarantee_by_task,
)
from classifier.tuning.samples import Samples, check_teaches
from classifier.tuning.thresholds import Thresholds
from models.errors import TuningError

_DAYS: Final = {"day": 1.0, "week": 7.0, "month": 30.4375}
_BUDGET: Final = re.compile(r"\$?\s*(\d+(?:\.\d+)?)\s*(?:/\s*(day|week|month))?")
_ALL_DEEP: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxDrop:
    """At most this much less quality than the deep tier alone, proven."""

    drop: float = 0.01
    confidence: float = 0.95
    by_task: bool = False  # in each task, not only over all requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most so many dollars a day."""

    usd_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepShare:
    """At most this share of requests to the deep tier."""

    share: float


Target: TypeAlias = MaxDrop | Budget | DeepShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The thresholds for a target; None when it cannot be promised."""

    target: Target
    thresholds: Thresholds | None
    proof: TaskGuarantees | None = None  # of MaxDrop


def parse_budget(text: str) -> Budget:
    """`50/day`, `$300/week`, `1500/month`; a number alone is per day."""
    found = _BUDGET.fullmatch(text.strip().lower())
    if not found or not float(found[1]) > 0:
        raise TuningError(f"The budget `{text}` is not written as dollars/day: right is 50/day.")
    return Budget(usd_per_day=float(found[1]) / _DAYS[found[2] or "day"])


def check_target(target: Target) -> None:
    """Refuse numbers that cannot be meant."""
    match target:
        case MaxDrop(drop=drop, confidence=confidence):
            if not 0 < drop < 1:
                raise TuningError(
                    f"--max-drop {drop:g}: it lies between 0 and 1; 0.01 is one point of a hundred."
                    + (" A drop of exactly 0 cannot be proven by samples." if drop == 0 else "")
                )
            if not 0.5 <= confidence < 1:
                raise TuningError(
                    f"--confidence {confidence:g}: it lies between 0.5 and 1; usual is 0.95."
                )
        case DeepShare(share=share):
            if not 0 <= share <= 1:
                raise TuningError(f"--deep-share {share:g}: it lies between 0 and 1.")
        case Budget():
            pass


def choose(samples: Samples, target: Target) -> Choice:
    """The thresholds that reach the target at the least deep share, or the best quality for it."""
    check_target(target)
    match target:
        case MaxDrop():
            return _for_drop(samples, target)
        case Budget():
            return Choice(target=target, thresholds=_for_budget(samples, target.usd_per_day))
        case DeepShare():
            return Choice(target=target, thresholds=_for_share(samples, target.share))


def _for_drop(samples: Samples, target: MaxDrop) -> Choice:
    check_teaches(samples)
    if target.by_task:
        proof = guarantee_by_task(samples, target.drop, target.confidence)
    else:
        proof = TaskGuarantees(general=guarantee(samples, target.drop, target.confidence))
    found = [proof.general, *proof.tasks.values()]
    if all(isinstance(each, NoGuarantee) for each in found):
        return Choice(target=target, thresholds=None, proof=proof)
    thresholds = Thresholds(
        general=_promised(proof.general),
        tasks={task: _promised(each) for task, each in proof.tasks.items()},
    )
    return Choice(target=target, thresholds=thresholds, proof=proof)


def _promised(found: Guarantee | NoGuarantee) -> float:
    return found.threshold if isinstance(found, Guarantee) else _ALL_DEEP


def _for_budget(samples: Samples, usd_per_day: float) -> Thresholds:
    if samples.days is None:
        raise TuningError(
            "A budget per day needs to know how many requests a day brings, and these samples do not "
            'say when they were: add "when" (Unix time) to each line, or use --deep-share.'
        )
    daily = len(samples) / samples.days
    for threshold in GRID.tolist():
        usd = point(samples, samples.until >= threshold).usd
        if usd is None:
            raise TuningError(
                "A budget needs prices, and none of these samples has any: add fast_usd and "
                "deep_usd, or name priced models in [deep] order."
            )
        if usd * daily <= usd_per_day:
            return Thresholds(general=threshold)
    raise TuningError(
        f"${usd_per_day:.2f} a day is too little: the {daily:,.0f} requests of a day cost more even "
        "when the fast tier answers all of them."
    )


def _for_share(samples: Samples, share: float) -> Thresholds:
    shares = [float((samples.until < threshold).mean()) for threshold in GRID]
    return Thresholds(general=float(GRID[np.array(shares) <= share].max()))
