"""Outcomes and legs for tests of the ledger, the store and the observer."""

from decimal import Decimal
from typing import Any

from models.card import Abilities, ModelCard, Price, Rates
from models.chat import ChatRequest, Message, Text
from models.errors import RateLimited
from models.stream import Usage
from router.outcome import LegRecord, Outcome
from router.plan import Plan, Target

PRICE = Price(rates=Rates(input=Decimal(2), output=Decimal(10), cache_read=Decimal("0.1")))
DEEP = Target(provider="anthropic", card=ModelCard(provider="anthropic", id="big", prices=(PRICE,)))
EQUAL = Target(provider="gemini", card=ModelCard(provider="gemini", id="other", prices=(PRICE,)))
UNPRICED = Target(provider="host", card=ModelCard(provider="host", id="mystery"))
FAST = Target(
    provider="fast",
    card=ModelCard(provider="local", id="small", abilities=Abilities(logprobs=True)),
    local=True,
)
PLAN = Plan(
    route="deep",
    because="maths: 0.21 is under 0.55",
    draft=FAST,
    deep=(DEEP, EQUAL),
    task="math_reasoning",
    p_fast=0.21,
    threshold=0.55,
)


def ask(text: str = "Prove that sqrt(2) is irrational.") -> ChatRequest:
    """A request of one user turn."""
    return ChatRequest(model="auto", messages=(Message(role="user", parts=(Text(text=text),)),))


def leg(target: Target = DEEP, **known: Any) -> LegRecord:
    """A leg that ran from 0.1 s to 2.1 s and finished, unless said otherwise."""
    facts: dict[str, Any] = {
        "role": "upgrade",
        "target": target,
        "opened_because": "plan",
        "started": 0.1,
        "first_event": 0.6,
        "ended": 2.1,
        "finish": "stop",
        "usage": Usage(input=1000, output=200),
        "received_chars": 800,
        "usage_reported": True,
    }
    return LegRecord(**(facts | known))


def outcome(**known: Any) -> Outcome:
    """A relayed answer: a draft, a deep leg that was rate limited, its equal that finished."""
    facts: dict[str, Any] = {
        "id": "hs-1",
        "created": 1_795_478_400.25,
        "dialect": "openai",
        "requested_model": "auto",
        "stream": True,
        "client": "laptop",
        "plan": PLAN,
        "classifier": "embedding-minilm-v1",
        "signals": {"chars": 33.0, "code": 0.25},
        "legs": [
            leg(FAST, role="draft", started=0.0, first_event=0.05, ended=0.2, finish="stopped"),
            leg(
                first_event=None,
                ended=0.3,
                finish="failed",
                usage=Usage(),
                received_chars=0,
                usage_reported=False,
                error=RateLimited("slow down", provider="anthropic", upstream_status=429),
            ),
            leg(EQUAL, role="failover", opened_because="rate_limited", started=0.3),
        ],
        "first_shown": 0.06,
        "duration": 2.2,
        "finish": "stop",
        "shown_chars": 1500,
    }
    return Outcome(**(facts | known))
