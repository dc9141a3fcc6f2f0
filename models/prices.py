"""What tokens cost, in US dollars, by the card's dated prices."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

from models.card import ModelCard, OffPeakWindow, Price, Rates
from models.stream import Usage

_MILLION = Decimal(1_000_000)
_UNKNOWN = Rates()


def rates_at(card: ModelCard, at: datetime, prompt_tokens: int) -> Rates | None:
    """The rates that hold at `at` (aware) for a prompt of that size; None before the first price.

    Rows of the newest `since` that has begun replace all older rows; a day begins at midnight UTC.
    Among them the highest band that the prompt is over wins, then an off-peak row in its windows.
    """
    if at.tzinfo is None:
        raise ValueError("prices need an aware datetime")
    at = at.astimezone(UTC)
    begun = [price for price in card.prices if price.since is None or price.since <= at.date()]
    newest = max((price.since for price in begun if price.since), default=None)
    fitting = [
        price
        for price in begun
        if price.since == newest
        and (prompt_tokens > price.prompt_over or not price.prompt_over)
        and _in_windows(price, at)
    ]
    best = max(fitting, key=lambda price: (price.prompt_over, bool(price.off_peak)), default=None)
    return best.rates if best else None


def cost(usage: Usage, card: ModelCard, at: datetime) -> Decimal | None:
    """Dollars for one leg; None when a rate that is needed is not known."""
    return charge(usage, rates_at(card, at, usage.input) or _UNKNOWN)


def charge(usage: Usage, rates: Rates) -> Decimal | None:
    """Dollars at these rates. Cached tokens without a rate of their own cost as input does."""
    # A report with more cached tokens than prompt tokens must not make the rest negative.
    fresh = max(0, usage.input - usage.cache_read - usage.cache_write)
    read_rate = rates.input if rates.cache_read is None else rates.cache_read
    items = (
        (fresh, rates.input),
        (usage.cache_read, read_rate),
        (usage.cache_write - usage.cache_write_1h, rates.cache_write),
        (usage.cache_write_1h, rates.cache_write_1h),
        (usage.output, rates.output),
    )
    total = Decimal(0)
    for tokens, rate in items:
        if tokens == 0:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return total / _MILLION


def _in_windows(price: Price, at: datetime) -> bool:
    return not price.off_peak or any(_inside(window, at) for window in price.off_peak)


def _inside(window: OffPeakWindow, at: datetime) -> bool:
    if at.isoweekday() not in window.weekdays:
        return False
    now = at.time()
    return window.start <= now and (now < window.end or window.end == time.min)
