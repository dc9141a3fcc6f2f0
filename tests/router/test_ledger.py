"""The ledger: reported tokens stand, missing ones are estimated and marked, savings are honest."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import (
    ConnectionFailed,
    HeadstartError,
    Overloaded,
    ProviderAuthError,
    ProviderTimeout,
    RateLimited,
    StreamBroken,
)
from models.stream import Usage
from router.ledger import estimate_usage, fill_usage, saved_usd, settle, stand_in_cost
from router.plan import Plan
from tests.router.ledger_world import DEEP, EQUAL, FAST, UNPRICED, ask, leg, outcome

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_leg_costs_its_tokens_and_our_own_engine_nothing() -> None:
    hosted, local, unknown = leg(), leg(FAST), leg(UNPRICED)
    for record in (hosted, local, unknown):
        settle(record, NOW)
    assert hosted.cost_usd == Decimal("0.004")  # 1000 * 2 + 200 * 10 per million
    assert local.cost_usd == 0
    assert unknown.cost_usd is None


def test_a_refused_leg_of_unknown_price_still_costs_a_known_nothing() -> None:
    record = leg(UNPRICED, usage=Usage())
    settle(record, NOW)
    assert record.cost_usd == 0


def test_what_a_finished_leg_reported_is_never_touched() -> None:
    record = leg(usage=Usage(input=3, output=1))
    fill_usage(record, ask())
    assert record.usage == Usage(input=3, output=1)


@pytest.mark.parametrize("finish", ["stopped", "failed", "stop"])
def test_a_leg_without_a_report_is_estimated_and_marked(finish: str) -> None:
    record = leg(finish=finish, usage=Usage(), usage_reported=False, received_chars=400)
    fill_usage(record, ask())
    assert record.usage.estimated
    assert record.usage.output == pytest.approx(100, rel=0.1)
    assert record.usage.input > 0


def test_a_broken_leg_keeps_the_prompt_it_reported_and_gets_the_answer_that_came() -> None:
    record = leg(
        finish="failed",
        error=StreamBroken("cut"),
        usage=Usage(input=5000, output=1, cache_read=4000),  # Anthropic's message_start
        received_chars=800,
    )
    fill_usage(record, ask())
    assert (record.usage.input, record.usage.cache_read) == (5000, 4000)
    assert record.usage.output == pytest.approx(200, rel=0.1)
    assert record.usage.estimated


def test_a_stopped_leg_whose_report_is_ahead_of_the_estimate_stands_unmarked() -> None:
    record = leg(finish="stopped", usage=Usage(input=9, output=500), received_chars=800)
    fill_usage(record, ask())
    assert record.usage == Usage(input=9, output=500)


@pytest.mark.parametrize("error", [RateLimited, Overloaded, ProviderAuthError, ConnectionFailed])
def test_a_leg_that_was_refused_is_billed_nothing(error: type[HeadstartError]) -> None:
    record = leg(
        finish="failed",
        error=error("no"),
        first_event=None,
        usage=Usage(),
        usage_reported=False,
        received_chars=0,
    )
    fill_usage(record, ask())
    assert record.usage == Usage()


@pytest.mark.parametrize("error", [None, ProviderTimeout("no first sentence in time")])
def test_a_leg_that_we_gave_up_on_may_have_read_the_prompt(error: HeadstartError | None) -> None:
    record = leg(
        finish="stopped",
        error=error,
        first_event=None,
        usage=Usage(),
        usage_reported=False,
        received_chars=0,
    )
    fill_usage(record, ask())
    assert record.usage.input > 0
    assert record.usage.output == 0
    assert record.usage.estimated


def test_an_accepted_leg_that_broke_before_its_first_word_may_have_read_the_prompt() -> None:
    record = leg(
        finish="failed",
        error=StreamBroken("cut"),
        first_event=None,
        reply_model="big-2026",
        usage=Usage(),
        usage_reported=False,
        received_chars=0,
    )
    fill_usage(record, ask())
    assert record.usage.input > 0


def test_a_chinese_question_makes_its_answer_count_as_chinese() -> None:
    english = estimate_usage(ask("What is the capital of France, and why?"), 300)
    chinese = estimate_usage(ask("法国的首都是哪里？为什么是它？请详细说明。"), 300)
    assert english.output == pytest.approx(75, rel=0.1)
    assert chinese.output == pytest.approx(225, rel=0.1)


def test_an_empty_question_falls_back_to_four_characters_a_token() -> None:
    assert estimate_usage(ask(""), 300).output == 75


@given(st.text(max_size=300), st.integers(0, 100_000), st.integers(0, 100_000))
def test_an_estimate_is_marked_and_grows_with_what_came(
    question: str, received: int, more: int
) -> None:
    less = estimate_usage(ask(question), received, received)
    grown = estimate_usage(ask(question), received + more, received + more)
    assert less.estimated
    assert 0 <= less.output <= grown.output
    assert 0 < less.input <= grown.input


def _settled(**known: object) -> Decimal | None:
    relayed = outcome(**known)
    for record in relayed.legs:
        settle(record, NOW)
    return saved_usd(relayed, NOW)


def test_a_fast_answer_saves_what_the_first_deep_model_would_have_cost() -> None:
    plan = Plan(route="fast", because="easy", draft=FAST, deep=(DEEP, EQUAL))
    assert _settled(plan=plan, legs=[leg(FAST, role="draft")]) == Decimal("0.004")


def test_the_deep_model_alone_saves_nothing_whatever_it_thought() -> None:
    usage = Usage(input=5000, output=900, reasoning=700, cache_read=4000)
    assert _settled(legs=[leg(usage=usage)]) == 0


def test_the_equal_alone_is_compared_without_its_reasoning() -> None:
    plan = Plan(route="deep", because="hard", deep=(DEEP, EQUAL))
    usage = Usage(input=1000, output=200, reasoning=150)
    # alone: 1000 * 2 + 50 * 10; spent: 1000 * 2 + 200 * 10
    assert _settled(plan=plan, legs=[leg(EQUAL, usage=usage)]) == Decimal("-0.0015")


def test_a_relay_is_compared_by_what_was_shown() -> None:
    # Draft and equal made 400 tokens from 1600 characters; 1500 of those were shown: 375 tokens.
    # alone: 1000 * 2 + 375 * 10; spent: the equal's 1000 * 2 + 200 * 10.
    assert _settled() == Decimal("0.00175")


def test_cache_hits_of_the_deep_leg_count_for_it_alone_too() -> None:
    legs = [
        leg(FAST, role="draft", finish="stopped"),
        leg(usage=Usage(input=1040, output=200, cache_read=1000)),
    ]
    # alone: 1000 cached * 0.1 + 375 * 10; spent: 40 * 2 + 1000 * 0.1 + 200 * 10
    assert _settled(legs=legs) == Decimal("0.00385") - Decimal("0.00218")


@pytest.mark.parametrize(
    "known",
    [
        {"plan": None},
        {"plan": Plan(route="fast", because="no key", draft=FAST)},
        {"plan": Plan(route="fast", because="easy", draft=FAST, deep=(UNPRICED,))},
        {"legs": []},
        {"legs": [leg(UNPRICED)]},
        {"legs": [leg(FAST, usage=Usage())]},
    ],
)
def test_without_a_price_or_a_question_nothing_is_claimed(known: dict[str, object]) -> None:
    assert _settled(**known) is None


def test_a_stand_in_costs_what_the_real_model_bills_for_fresh_tokens() -> None:
    usage = Usage(input=1000, output=200, cache_read=900)
    # 1000 * 2 + 200 * 10 per million: the engine's cache hits are not the host's.
    assert stand_in_cost(usage, DEEP.card, NOW) == Decimal("0.004")
    assert stand_in_cost(usage, UNPRICED.card, NOW) is None
