"""Two thresholds at once: who gets which, and what came of it. Pure.

Arm a has the thresholds in force, arm b the one that is tried. A conversation stays in its arm, since
its turns are not independent and a reader should not meet two policies in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import hypot
from typing import Final

import numpy as np

from models.chat import ChatRequest
from router.learning.samples import SampleRow
from router.outcome import Arm
from router.plan import Plan
from router.policy import Rules

LEAST_RATED: Final = 30  # ratings per arm under which a mean's normal interval is not to be trusted
_Z: Final = 1.96  # 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The threshold of arm b, and the share of conversations that get it."""

    threshold: float
    share: float

    def arm(self, request: ChatRequest, client: str) -> Arm:
        """By client and first user turn; another experiment draws anew."""
        first = next((m.text for m in request.messages if m.role == "user"), "")
        words = f"{self.threshold}\0{self.share}\0{client}\0{request.user}\0{first}"
        digest = blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return "b" if int.from_bytes(digest, "big") < self.share * 2**64 else "a"

    def rules(self, rules: Rules, arm: Arm) -> Rules:
        """The rules of that arm."""
        if arm != "b":
            return rules
        return replace(rules, threshold=self.threshold, thresholds={}, tuned="")


def marked(plan: Plan, arm: Arm) -> Plan:
    """The plan, saying which arm it comes from where the threshold had a say."""
    mark = f" (experiment, arm {arm})"
    if not arm or plan.threshold is None or mark in plan.because:
        return plan
    return replace(plan, because=f"{plan.because}{mark}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean and where it lies with 95 % confidence (normal approximation); None: nothing known."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """What became of one arm's requests."""

    requests: int
    threshold: float | None  # the mean, where tasks or time have different ones
    deep_share: float | None
    usd: Mean  # dollars a request
    rating: Mean  # of the answers that were shown, 0..1, where clients said it outright


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Both arms, and in one sentence what they tell."""

    a: ArmSummary
    b: ArmSummary
    usd_difference: Mean  # b less a
    rating_difference: Mean
    verdict: str


def compare_arms(rows: Sequence[SampleRow]) -> Arms:
    """The two arms beside each other; rows of no experiment are left out.

    Only ratings count as quality here: comparisons are of fast answers alone, so an arm that sends
    fewer requests there would look different for that reason.
    """
    arms = {arm: [row for row in rows if row.experiment == arm] for arm in ("a", "b")}
    usd = {arm: _known([row.usd for row in found]) for arm, found in arms.items()}
    ratings = {arm: _known([row.rating for row in found]) for arm, found in arms.items()}
    usd_difference = _difference(usd["a"], usd["b"])
    rating_difference = _difference(ratings["a"], ratings["b"])
    return Arms(
        a=_summary(arms["a"]),
        b=_summary(arms["b"]),
        usd_difference=usd_difference,
        rating_difference=rating_difference,
        verdict=_verdict(usd_difference, rating_difference, ratings),
    )


def _summary(rows: Sequence[SampleRow]) -> ArmSummary:
    count = len(rows)
    return ArmSummary(
        requests=count,
        threshold=sum(row.threshold for row in rows) / count if count else None,
        deep_share=sum(row.route == "deep" for row in rows) / count if count else None,
        usd=_mean(_known([row.usd for row in rows])),
        rating=_mean(_known([row.rating for row in rows])),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> Mean:
    if not values:
        return Mean(n=0)
    value, error = float(np.mean(values)), _standard_error(values)
    if error is None:
        return Mean(n=len(values), value=value)
    return Mean(n=len(values), value=value, low=value - _Z * error, high=value + _Z * error)


def _difference(a: Sequence[float], b: Sequence[float]) -> Mean:
    n = min(len(a), len(b))
    if not n:
        return Mean(n=0)
    value = float(np.mean(b) - np.mean(a))
    of_a, of_b = _standard_error(a), _standard_error(b)
    if of_a is None or of_b is None:
        return Mean(n=n, value=value)
    error = hypot(of_a, of_b)
    return Mean(n=n, value=value, low=value - _Z * error, high=value + _Z * error)


def _standard_error(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _verdict(usd: Mean, rating: Mean, ratings: dict[str, list[float]]) -> str:
    fewest = min(map(len, ratings.values()))
    if rating.value is None or rating.low is None or rating.high is None or fewest < LEAST_RATED:
        return (
            f"Not enough data to tell: {len(ratings['a'])} answers of arm a and "
            f"{len(ratings['b'])} of arm b were rated, {LEAST_RATED} each are needed."
        )
    cost = _cost(usd)
    said = f"{rating.value:+.3f}, 95 % interval {rating.low:+.3f} to {rating.high:+.3f}"
    if rating.low > 0:
        return f"Arm b's answers are rated better ({said}); {cost}"
    if rating.high < 0:
        return f"Arm b's answers are rated worse ({said}); {cost}"
    return f"Not enough data to tell the arms' ratings apart ({said}); {cost}"


def _cost(usd: Mean) -> str:
    if usd.value is None or usd.low is None or usd.high is None:
        return "what they cost is not known."
    if usd.low <= 0 <= usd.high:
        return "no difference in cost can be told."
    return f"it costs ${abs(usd.value):.6f} a request {'more' if usd.value > 0 else 'less'}."
