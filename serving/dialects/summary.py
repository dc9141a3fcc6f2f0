"""The `headstart` object of a reply: who answered, why, and what it cost. The same everywhere."""

from __future__ import annotations

from models.chat import Json
from models.errors import HeadstartError
from router.outcome import LegRecord, Outcome


def summary(outcome: Outcome) -> dict[str, Json]:
    """What the client may know about its answer; money is in US dollars."""
    plan = outcome.plan
    entry: dict[str, Json] = {
        "id": outcome.id,
        "route": plan.route if plan else None,
        "task": plan.task if plan else None,
        "p_fast": plan.p_fast if plan else None,
        "because": plan.because if plan else None,
        "merge": plan.merge if plan else None,
        "legs": [_leg(leg) for leg in outcome.legs],
        "cost_usd": outcome.cost_usd,
        "saved_usd": outcome.saved_usd,
    }
    if outcome.first_shown is not None:
        entry["first_shown_s"] = round(outcome.first_shown, 4)
    return entry


def _leg(leg: LegRecord) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "role": leg.role,
        "provider": leg.target.provider,
        "model": leg.target.card.id,
        "opened_because": leg.opened_because,
        "first_token_s": _since_start(leg),
        "usage": {
            "input": leg.usage.input,
            "output": leg.usage.output,
            "cache_read": leg.usage.cache_read,
            "cache_write": leg.usage.cache_write,
            "reasoning": leg.usage.reasoning,
            "estimated": leg.usage.estimated,
        },
        "cost_usd": leg.cost_usd,
        "finish": leg.finish,
    }
    if leg.transcript_chars:
        entry["transcript_chars"] = leg.transcript_chars
    if leg.target.stands_in_for:
        entry["stands_in_for"] = leg.target.stands_in_for
    if leg.error:
        entry["error"] = error_summary(leg.error)
    return entry


def error_summary(error: HeadstartError) -> dict[str, Json]:
    """An error in short: which kind, who failed, and the sentence."""
    return {"code": error.code, "origin": error.origin, "message": error.message}


def _since_start(leg: LegRecord) -> float | None:
    return None if leg.first_event is None else round(leg.first_event - leg.started, 4)
