"""A decision without an answer: the plan, and what each candidate would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from classifier.assessment import Assessment
from classifier.neighbours import Neighbour
from models.catalogue import Catalogue
from models.chat import ChatRequest
from models.prices import cost
from models.stream import Usage
from models.tokens import estimate_prompt
from router.chain import ORDINARY
from router.plan import Plan, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What one target would cost for this prompt and a typical answer."""

    target: str
    usd: Decimal | None  # None: the price is not known
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would be decided, and why."""

    assessment: Assessment
    plan: Plan
    estimates: tuple[CostEstimate, ...]
    neighbours: tuple[Neighbour, ...] = ()  # prompts of the training data that look like it


def estimated(
    request: ChatRequest, plan: Plan, catalogue: Catalogue, at: datetime
) -> tuple[CostEstimate, ...]:
    """Each candidate in the order it would be asked."""
    usage = Usage(input=estimate_prompt(request), output=request.max_tokens or ORDINARY.output)
    targets = (plan.draft, *plan.deep) if plan.draft else plan.deep
    return tuple(_estimate(target, usage, catalogue, at) for target in targets)


def _estimate(target: Target, usage: Usage, catalogue: Catalogue, at: datetime) -> CostEstimate:
    """Dollars for a typical answer; a stand-in is priced as the model whose place it takes."""
    if target.stands_in_for:
        usd = cost(usage, catalogue.card(target.stands_in_for), at)
        note = f"no key is set: {target.name} stands in, for nothing"
        return CostEstimate(target=target.stands_in_for, usd=usd, note=note)
    usd = Decimal(0) if target.local else cost(usage, target.card, at)
    note = "on your own machine" if target.local else ""
    return CostEstimate(target=target.name, usd=usd, note=note)
