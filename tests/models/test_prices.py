"""Prices: exact dollars for recorded usages, and the laws that money keeps."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import ModelCard, OffPeakWindow, Price, Rates
from models.catalogue import Catalogue
from models.prices import charge, cost, rates_at
from models.stream import Usage

CATALOGUE = Catalogue.load()
TUESDAY_NIGHT = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
TUESDAY_PEAK = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


# Usages of recorded replies. OpenRouter states what it billed; the other sums are by hand.
@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        # anthropic/json-cache-write-haiku45: 10 fresh, 7351 written for 5 minutes
        (
            "anthropic/claude-haiku-4-5",
            Usage(input=7361, cache_write=7351, output=4),
            "0.00921875",
        ),
        # anthropic/json-cache-read-haiku45
        ("anthropic/claude-haiku-4-5", Usage(input=7361, cache_read=7351, output=4), "0.0007651"),
        # anthropic/json-opus5-reasoning-high: output has the reasoning in it
        ("anthropic/claude-opus-5", Usage(input=51, output=1699, reasoning=139), "0.04273"),
        # deepseek/json-cache-hit, in the half-price hours
        ("deepseek/deepseek-v4-flash", Usage(input=359, cache_read=256, output=25), "0.000031218"),
        # gemini/cache-generate
        (
            "gemini/gemini-2.5-flash",
            Usage(input=9622, cache_read=9609, output=171, reasoning=136),
            "0.00071967",
        ),
        # groq/json-text: no cache rate is known, and none is needed
        ("groq/llama-3.3-70b-versatile", Usage(input=48, output=8), "0.00003464"),
        # openrouter/json-reasoning-details, billed 0.001191
        ("openrouter/anthropic/claude-haiku-4.5", Usage(input=626, output=113), "0.001191"),
        # openrouter/stream-tools, billed 0.001008
        ("openrouter/anthropic/claude-haiku-4.5", Usage(input=633, output=75), "0.001008"),
        # openrouter/stream-cache, billed 0.000837
        ("openrouter/anthropic/claude-4.6-sonnet-20260217", Usage(input=254, output=5), "0.000837"),
        ("local/Qwen/Qwen2.5-7B-Instruct", Usage(input=9000, output=900), "0"),
    ],
)
def test_a_recorded_usage_costs_exactly(model: str, usage: Usage, dollars: str) -> None:
    assert cost(usage, CATALOGUE.card(model), TUESDAY_NIGHT) == Decimal(dollars)


def test_an_hour_of_cache_costs_more_than_five_minutes() -> None:
    usage = Usage(input=1_000_000, cache_write=1_000_000, cache_write_1h=400_000)
    card = CATALOGUE.card("anthropic/claude-sonnet-5-5")
    assert cost(usage, card, TUESDAY_NIGHT) == Decimal("3.10")  # 0.6 * 2.50 + 0.4 * 4.00


def test_the_whole_request_moves_to_the_higher_band_above_its_edge() -> None:
    card = CATALOGUE.card("anthropic/claude-haiku-5-5")
    at_edge = Usage(input=100_000, cache_read=90_000, output=1_000)
    above = Usage(input=100_001, cache_read=90_000, output=1_000)
    assert cost(at_edge, card, TUESDAY_NIGHT) == Decimal("0.0024")
    assert cost(above, card, TUESDAY_NIGHT) == Decimal("0.0120005")


@pytest.mark.parametrize(
    ("at", "input_rate"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), "2.00"),
        (datetime(2026, 12, 1, tzinfo=UTC), "4.00"),
        # the same instants on clocks elsewhere
        (datetime(2026, 12, 1, 7, 59, tzinfo=timezone(timedelta(hours=8))), "2.00"),
        (datetime(2026, 11, 30, 16, 0, tzinfo=timezone(timedelta(hours=-8))), "4.00"),
    ],
)
def test_a_scheduled_price_begins_at_midnight_utc(at: datetime, input_rate: str) -> None:
    rates = rates_at(CATALOGUE.card("gemini/gemini-4-argon"), at, 10)
    assert rates is not None
    assert rates.input == Decimal(input_rate)


def test_a_new_price_without_bands_ends_the_old_bands() -> None:
    card = CATALOGUE.card("gemini/gemini-2.5-pro")
    before = rates_at(card, datetime(2026, 11, 30, tzinfo=UTC), 300_000)
    after = rates_at(card, datetime(2026, 12, 1, tzinfo=UTC), 300_000)
    assert before is not None
    assert after is not None
    assert (before.input, after.input) == (Decimal("2.50"), Decimal("0.75"))


@pytest.mark.parametrize(
    ("day", "clock", "input_rate"),
    [
        (24, time(0, 0), "0.66"),
        (24, time(0, 59, 59, 999999), "0.66"),
        (24, time(1, 0), "1.32"),
        (24, time(3, 59, 59, 999999), "1.32"),
        (24, time(4, 0), "0.66"),
        (24, time(6, 0), "1.32"),
        (24, time(9, 59, 59, 999999), "1.32"),
        (24, time(10, 0), "0.66"),
        (24, time(23, 59, 59, 999999), "0.66"),
        (27, time(2, 0), "1.32"),  # Friday
        (28, time(2, 0), "0.66"),  # Saturday
        (29, time(7, 0), "0.66"),  # Sunday
        (30, time(2, 0), "1.32"),  # Monday
    ],
)
def test_off_peak_hours_at_their_edges(day: int, clock: time, input_rate: str) -> None:
    at = datetime.combine(date(2026, 11, day), clock, tzinfo=UTC)
    rates = rates_at(CATALOGUE.card("deepseek/deepseek-v4-pro"), at, 10)
    assert rates is not None
    assert rates.input == Decimal(input_rate)


def test_before_the_first_dated_price_nothing_is_known() -> None:
    card = ModelCard(
        provider="host",
        id="m",
        prices=(Price(rates=Rates(input=Decimal(1)), since=date(2026, 5, 1)),),
    )
    assert rates_at(card, datetime(2026, 4, 30, 23, 59, tzinfo=UTC), 1) is None
    assert cost(Usage(input=1), card, datetime(2026, 4, 30, tzinfo=UTC)) is None


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        rates_at(CATALOGUE.card("gemini/gemini-4-argon"), TUESDAY_PEAK.replace(tzinfo=None), 1)


def test_unknown_rates_matter_only_for_tokens_that_there_were() -> None:
    rates = Rates(input=Decimal(1), output=Decimal(2))
    assert charge(Usage(input=5, cache_write=1), rates) is None
    assert charge(Usage(input=5, cache_write=1, cache_write_1h=1), rates) is None
    assert charge(Usage(output=1), Rates(input=Decimal(1))) is None
    assert charge(Usage(input=1_000_000, cache_read=400_000), rates) == Decimal(1)
    assert charge(Usage(), Rates()) == 0


TOKENS = st.integers(min_value=0, max_value=2_000_000)
MONEY = st.decimals(min_value=0, max_value=100, places=4)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A usage whose parts fit its totals."""
    fresh, read, short, hour = draw(TOKENS), draw(TOKENS), draw(TOKENS), draw(TOKENS)
    output = draw(TOKENS)
    return Usage(
        input=fresh + read + short + hour,
        cache_read=read,
        cache_write=short + hour,
        cache_write_1h=hour,
        output=output,
        reasoning=draw(st.integers(min_value=0, max_value=output)),
    )


@st.composite
def full_rates(draw: st.DrawFn) -> Rates:
    """Rates that are all known."""
    return Rates(
        input=draw(MONEY),
        output=draw(MONEY),
        cache_read=draw(MONEY),
        cache_write=draw(MONEY),
        cache_write_1h=draw(MONEY),
    )


def _known(dollars: Decimal | None) -> Decimal:
    assert dollars is not None
    return dollars


@given(usages(), usages(), full_rates())
def test_two_usages_together_cost_what_they_cost_apart(a: Usage, b: Usage, rates: Rates) -> None:
    assert _known(charge(a + b, rates)) == _known(charge(a, rates)) + _known(charge(b, rates))


@given(usages(), usages(), full_rates())
def test_more_tokens_never_cost_less(a: Usage, b: Usage, rates: Rates) -> None:
    assert _known(charge(a + b, rates)) >= _known(charge(a, rates))


@given(
    st.builds(
        Usage,
        input=TOKENS,
        output=TOKENS,
        cache_read=TOKENS,
        cache_write=TOKENS,
    ),
    full_rates(),
)
def test_a_report_that_does_not_add_up_never_costs_less_than_nothing(
    usage: Usage, rates: Rates
) -> None:
    assert _known(charge(usage, rates)) >= 0


ANY_TIME = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=800)).map(
    lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since
)


@given(st.sampled_from(CATALOGUE.cards()), ANY_TIME, TOKENS, TOKENS, TOKENS)
def test_over_the_whole_catalogue_a_longer_request_never_costs_less(
    card: ModelCard, at: datetime, prompt: int, extra: int, output: int
) -> None:
    less = cost(Usage(input=prompt, output=output), card, at)
    more = cost(Usage(input=prompt + extra, output=output + extra), card, at)
    if less is None or more is None:
        assert not card.prices
    else:
        assert 0 <= less <= more


@given(ANY_TIME)
def test_windows_that_cover_the_day_leave_no_peak_hour(at: datetime) -> None:
    windows = (
        OffPeakWindow(weekdays=(1, 2, 3, 4, 5, 6, 7), start=time(0, 0), end=time(8, 0)),
        OffPeakWindow(weekdays=(1, 2, 3, 4, 5, 6, 7), start=time(8, 0), end=time(0, 0)),
    )
    day, night = Rates(input=Decimal(2)), Rates(input=Decimal(1))
    always_night = ModelCard(
        provider="host", id="m", prices=(Price(rates=day), Price(rates=night, off_peak=windows))
    )
    assert rates_at(always_night, at, 1) == night
