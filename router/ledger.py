"""What one request cost: reported tokens where there are any, marked estimates where not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError, ProviderTimeout
from models.prices import cost
from models.stream import Usage
from models.tokens import estimate_prompt, estimate_tokens
from router.outcome import LegRecord, Outcome
from router.plan import Target

_CHARS_PER_TOKEN = 4.0  # for an answer to a question without text


def settle(leg: LegRecord, at: datetime) -> None:
    """Write the leg's cost. Our own engine bills nothing, whatever its model's card says."""
    leg.cost_usd = _dollars(leg.target, leg.usage, at)


def fill_usage(leg: LegRecord, request: ChatRequest, transcript_chars: int = 0) -> None:
    """Estimate what a leg used where its provider did not say all of it.

    A leg that was refused before it began is billed nothing. One that broke off or was stopped
    reported nothing, or (Anthropic) only what it knew at its start: then the larger count holds.
    `transcript_chars` is the length of the answer that the leg was asked to continue.
    """
    if leg.usage_reported and leg.finish not in {"stopped", "failed"}:
        return
    if _refused(leg):
        return
    estimate = estimate_usage(request, leg.received_chars, transcript_chars)
    if not leg.usage_reported:
        leg.usage = estimate
    elif leg.usage.output < estimate.output:
        leg.usage = msgspec.structs.replace(leg.usage, output=estimate.output, estimated=True)


def estimate_usage(request: ChatRequest, received_chars: int, transcript_chars: int = 0) -> Usage:
    """Tokens of a leg, from characters.

    Prompt: models.tokens (a quarter of Latin characters, three quarters of wide ones, media and
    turns at a flat rate). Answer and transcript: taken to be in the question's script, so a
    Chinese question makes Chinese answers count as such.
    """
    question = request.last_user_text
    density = estimate_tokens(question) / len(question) if question else 1 / _CHARS_PER_TOKEN
    return Usage(
        input=estimate_prompt(request) + round(transcript_chars * density),
        output=round(received_chars * density),
        estimated=True,
    )


def saved_usd(outcome: Outcome, at: datetime) -> Decimal | None:
    """Dollars that asking the first deep model alone would have cost, less what was spent.

    The same question and the same shown answer, without the reasoning and the cache hits that
    only the real call could have told of. Below zero when the relay cost more; None when a price
    or the size of the question is not known.
    """
    if outcome.plan is None or not outcome.plan.deep or not outcome.legs:
        return None
    first = outcome.plan.deep[0]
    alone = _usage_alone(outcome, first)
    spent = outcome.cost_usd
    instead = None if alone is None else _dollars(first, alone, at)
    return None if spent is None or instead is None else instead - spent


def stand_in_cost(usage: Usage, card: ModelCard, at: datetime) -> Decimal | None:
    """Dollars that `card` would have billed for what our engine used in its place.

    Every prompt token counts as fresh: the engine's cache says nothing of the host's.
    """
    fresh = msgspec.structs.replace(usage, cache_read=0, cache_write=0, cache_write_1h=0)
    return cost(fresh, card, at)


def _dollars(target: Target, usage: Usage, at: datetime) -> Decimal | None:
    return Decimal(0) if target.local else cost(usage, target.card, at)


def _refused(leg: LegRecord) -> bool:
    """True when the provider never began: no reply, and an error that is not our own patience."""
    began = leg.first_event is not None or leg.usage_reported or leg.reply_model
    refusal = isinstance(leg.error, ProviderError) and not isinstance(leg.error, ProviderTimeout)
    return refusal and not began


def _usage_alone(outcome: Outcome, first: Target) -> Usage | None:
    """What `first` would have used if it had answered alone."""
    own = [leg.usage for leg in outcome.legs if leg.target.name == first.name]
    if len(outcome.legs) == 1 and own:
        return own[0]
    # The first leg's prompt is the question; later ones have the transcript in theirs.
    question = next((leg.usage.input for leg in outcome.legs if leg.usage.input), None)
    if question is None:
        return None
    cached = max((usage.cache_read for usage in own), default=0)
    return Usage(
        input=question,
        cache_read=min(cached, question),
        output=_shown_tokens(outcome) + sum(usage.reasoning for usage in own),
    )


def _shown_tokens(outcome: Outcome) -> int:
    """Tokens of what the client was shown, at the density of everything that was generated."""
    received = sum(leg.received_chars for leg in outcome.legs)
    generated = sum(leg.usage.output for leg in outcome.legs)
    if len(outcome.legs) == 1 or not received:
        return generated - sum(leg.usage.reasoning for leg in outcome.legs)
    return round(outcome.shown_chars * generated / received)
