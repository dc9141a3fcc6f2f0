"""An outcome as it is kept: flat rows, without objects, secrets or (unless asked for) prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypedDict

from classifier.draft import DraftSignals
from classifier.head import INPUTS_DIGEST
from models.errors import ProviderError
from models.redact import redact
from models.stream import Usage
from router.outcome import LegRecord, Outcome


class _Tokens(TypedDict):
    """Columns that both tables have."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeg:
    """One row of table `legs`: the columns in their order. Times are seconds since arrival."""

    outcome_id: str
    position: int
    role: str
    provider: str
    model: str
    stands_in_for: str
    local: bool
    opened_because: str
    started: float
    first_event: float | None
    ended: float | None
    finish: str
    reply_model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_usd: Decimal | None
    error_code: str
    error_origin: str
    error_status: int  # the upstream's HTTP status; 0: there was none
    error_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """One row of table `outcomes`: the columns in their order, then its legs."""

    id: str
    created: float  # Unix time, seconds
    dialect: str
    requested_model: str
    stream: bool
    client: str
    route: str  # "" when no plan was made
    because: str
    merge: str
    task: str
    p_fast: float | None
    threshold: float | None
    classifier: str
    signals: dict[str, float]
    first_shown: float | None
    duration: float | None
    finish: str
    shown_chars: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool
    cost_usd: Decimal | None
    saved_usd: Decimal | None
    error_code: str
    error_origin: str
    error_message: str
    prompt: str
    embedding: bytes
    form: bytes
    instruction: bytes
    features: str  # which form it is: a head reads only the one that it was trained on
    draft_mean: float | None  # log-probabilities of the draft's first words
    draft_minimum: float | None
    draft_tokens: int
    experiment: str
    asked_task: str
    p_prompt: float | None  # before the draft was heard; `p_fast`: what was decided by
    fast_until: float | None  # the highest threshold at which the fast tier answers; -1: none
    draft_signals: dict[str, float]  # of the draft's whole first sentence; empty: not heard
    draft_judge: str
    judged_task: str  # `task`: the client's word before it
    asked_threshold: float | None  # the client's own, which no tuning moves
    legs: tuple[StoredLeg, ...] = field(default=())


def stored(outcome: Outcome) -> StoredOutcome:
    """The rows of a finished outcome."""
    plan = outcome.plan
    return StoredOutcome(
        id=outcome.id,
        created=outcome.created,
        dialect=outcome.dialect,
        requested_model=redact(outcome.requested_model),
        stream=outcome.stream,
        client=outcome.client,
        route=plan.route if plan else "",
        because=plan.because if plan else "",
        merge=plan.merge if plan else "",
        task=plan.task if plan else "",
        p_fast=plan.p_fast if plan else None,
        threshold=plan.threshold if plan else None,
        classifier=outcome.classifier,
        signals=outcome.signals,
        first_shown=outcome.first_shown,
        duration=outcome.duration,
        finish=outcome.finish,
        shown_chars=outcome.shown_chars,
        **_tokens(outcome.usage),
        cost_usd=outcome.cost_usd,
        saved_usd=outcome.saved_usd,
        error_code=outcome.error.code if outcome.error else "",
        error_origin=outcome.error.origin if outcome.error else "",
        error_message=redact(outcome.error.message) if outcome.error else "",
        prompt=redact(outcome.prompt),
        embedding=outcome.embedding,
        form=outcome.form,
        instruction=outcome.instruction,
        features=INPUTS_DIGEST if outcome.form else "",
        draft_mean=outcome.draft.mean,
        draft_minimum=outcome.draft.minimum,
        draft_tokens=outcome.draft.tokens,
        experiment=outcome.experiment,
        asked_task=redact(outcome.asked_task),
        p_prompt=outcome.looks.p_prompt,
        fast_until=outcome.fast_until,
        draft_signals=_known(outcome.looks.signals),
        draft_judge=outcome.draft_judge,
        judged_task=outcome.judged_task,
        asked_threshold=outcome.asked_threshold,
        legs=tuple(_leg(outcome.id, at, leg) for at, leg in enumerate(outcome.legs)),
    )


def _leg(outcome_id: str, position: int, leg: LegRecord) -> StoredLeg:
    error = leg.error
    return StoredLeg(
        outcome_id=outcome_id,
        position=position,
        role=leg.role,
        provider=leg.target.provider,
        model=leg.target.card.id,
        stands_in_for=leg.target.stands_in_for,
        local=leg.target.local,
        opened_because=leg.opened_because,
        started=leg.started,
        first_event=leg.first_event,
        ended=leg.ended,
        finish=leg.finish,
        reply_model=leg.reply_model,
        **_tokens(leg.usage),
        cost_usd=leg.cost_usd,
        error_code=error.code if error else "",
        error_origin=error.origin if error else "",
        error_status=error.upstream_status if isinstance(error, ProviderError) else 0,
        error_message=redact(error.message) if error else "",
    )


def _known(signals: DraftSignals | None) -> dict[str, float]:
    named = signals.named() if signals else {}
    return {name: v for name, v in named.items() if v is not None and math.isfinite(v)}


def _tokens(usage: Usage) -> _Tokens:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
        "estimated": usage.estimated,
    }
