"""What was learned of an answer after it was given: rows of the store beside the outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from router.outcome import Outcome
from router.plan import Target

Kind: TypeAlias = Literal["thumbs", "score", "preferred", "regenerated", "edited", "task"]
Tier: TypeAlias = Literal["", "fast", "deep"]

# How much one piece of feedback counts. Whoever asks again was mostly not content, whoever rewrites
# the question perhaps only with himself: both say less than a verdict, and neither ever says "good".
# Whoever corrects the task says nothing of the answer.
WEIGHTS: Final[dict[Kind, float]] = {
    "thumbs": 1.0,
    "score": 1.0,
    "preferred": 1.0,
    "regenerated": 0.3,
    "edited": 0.15,
    "task": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One row of table `feedback`: the columns in their order."""

    outcome_id: str
    created: float  # Unix time, seconds
    kind: Kind
    value: float  # 0..1: how good the answer was; of a preference 1
    leg: Tier  # the tier that it is about; empty: the one that answered
    comment: str = ""
    task: str = ""  # what the request really was, where somebody says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One row of table `comparisons`: the columns in their order.

    A shadow run that came to no verdict has no qualities; what it cost is kept all the same.
    """

    outcome_id: str
    created: float  # Unix time, seconds
    fast_quality: float | None  # share of the verdicts that it won; an equal verdict counts half
    deep_quality: float | None
    model: str  # the deep model that was asked too
    judge: str  # the model that compared the answers
    deep_usd: Decimal | None  # of the deep model's answer
    cost_usd: Decimal | None  # of everything
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What feedback must fit: whose request it was, and the tier of each leg."""

    client: str
    tiers: tuple[Tier, ...]


def known(outcome: Outcome) -> Known:
    """The same of an outcome that is not stored yet."""
    return Known(client=outcome.client, tiers=tuple(tier_of(leg.target) for leg in outcome.legs))


def tier_of(target: Target) -> Tier:
    """The engine in a hosted model's place counts as that model."""
    return tier(local=target.local, stands_in_for=target.stands_in_for)


def tier(*, local: bool, stands_in_for: str) -> Tier:
    """The same from the columns of a leg."""
    return "fast" if local and not stands_in_for else "deep"
