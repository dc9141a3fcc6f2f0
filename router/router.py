"""One request, from question to outcome. Read this first.

names     whom the client asks for: a tier, or one model
classifier what is asked, and is the fast tier enough   (beside the draft, not before it)
policy    the plan: who answers, and why
relay     what is shown and who goes on when a leg breaks
dispatch  the legs themselves
ledger    what it cost
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from classifier.assessment import Assessment
from models.stream import StreamEvent
from router.outcome import Outcome
from router.plan import Plan

_log = logging.getLogger(__name__)
_EXPECTED_ANSWER = 400  # tokens: for cost estimates before anything was generated


@dataclass(slots=True, kw_only=True)
class Answer:
    """A request under way. `outcome.plan` is final once the first batch was yielded."""

    outcome: Outcome
    events: AsyncGenerator[Sequence[StreamEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What one target would cost for this prompt and a typical answer."""

    target: str
    usd: Decimal | None  # None: the price is not known
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision without an answer."""

    assessment: Assessment
    plan: Plan
    estimates: tuple[CostEstimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelListing:
    """One name that clients may use."""

    id: str
    owned_by: str
    window: int | None
    note: str
