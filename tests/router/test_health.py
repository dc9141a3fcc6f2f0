"""The circuit breaker of one target, on a clock by hand."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import (
    HeadstartError,
    Overloaded,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderServerError,
    RateLimited,
)
from router.health import BreakerState, HealthBook, TargetHealth


def _health() -> TargetHealth:
    return TargetHealth(jitter=lambda: 1.0)


def test_a_stated_delay_is_obeyed_to_the_second() -> None:
    health = _health()
    health.failed(RateLimited("later", retry_after=37.0), 100.0)
    assert health.rests(136.9)
    assert not health.rests(137.1)
    assert health.state(137.1) is BreakerState.CLOSED


def test_one_server_error_is_no_reason_to_rest() -> None:
    health = _health()
    health.failed(ProviderServerError("oops"), 0.0)
    assert not health.rests(0.1)


def test_half_of_the_last_requests_failing_opens_it() -> None:
    health = _health()
    for n in range(6):
        if n % 2:
            health.succeeded(0.1)
        else:
            health.failed(ProviderServerError("oops"), 0.0)
    health.failed(ProviderServerError("oops"), 0.0)
    assert health.state(1.0) is BreakerState.OPEN


def test_after_a_rest_one_request_probes() -> None:
    health = _health()
    health.failed(Overloaded("busy"), 0.0)
    assert health.rests(4.9)
    assert health.state(5.1) is BreakerState.HALF_OPEN
    assert not health.rests(5.1)
    health.asked(5.1)
    assert health.rests(5.2), "the others wait for the probe"
    health.succeeded(0.2)
    assert health.state(5.3) is BreakerState.CLOSED


def test_each_failed_probe_doubles_the_rest() -> None:
    health, now = _health(), 0.0
    rests: list[float] = []
    for _ in range(8):
        health.asked(now)
        health.failed(Overloaded("busy"), now)
        rest = health.report(now).rests_for
        rests.append(rest)
        now += rest
    assert rests == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_failing_for_ever_rests_as_long_as_it_can() -> None:
    health = TargetHealth(jitter=lambda: 1.0)
    for failure in range(1_100):
        health.failed(Overloaded("full"), float(failure))
    assert health.report(1_099.0).rests_for == 300.0


def test_a_refused_key_rests_long_and_a_refused_request_not_at_all() -> None:
    health = _health()
    health.failed(ProviderBadRequest("no such option"), 0.0)
    health.failed(HeadstartError("ours"), 0.0)
    assert not health.rests(0.1)
    health.failed(ProviderAuthError("bad key"), 0.0)
    assert health.rests(299.0)


def test_latency_is_reported_once_there_is_enough() -> None:
    health = _health()
    for n in range(4):
        health.succeeded(n / 10)
    assert health.report(0.0).first_event_p95 is None
    health.succeeded(0.4)
    report = health.report(0.0)
    assert report.first_event_p50 == pytest.approx(0.2)
    assert report.first_event_p95 == pytest.approx(0.4)


def test_nothing_left_is_a_rest_without_a_failure() -> None:
    health = _health()
    health.succeeded(0.1)
    health.used_up(42.0, "x-ratelimit-remaining-requests", 100.0)
    report = health.report(101.0)
    assert (report.state, report.rests_for) == (BreakerState.OPEN, 41.0)
    assert report.rests_because == "x-ratelimit-remaining-requests"
    assert (report.failure_share, report.last_error) == (0.0, "")
    over = health.report(142.1)
    assert (over.state, over.rests_for, over.rests_because) == (BreakerState.CLOSED, 0.0, "")


def test_an_allowance_of_a_day_is_looked_at_again_sooner() -> None:
    health = _health()
    health.used_up(86_400.0, "x-ratelimit-remaining-requests", 0.0)
    assert health.report(0.0).rests_for == 300.0


def test_the_longer_of_two_rests_counts_and_says_why() -> None:
    health = _health()
    health.failed(RateLimited("later", retry_after=30.0), 0.0)
    health.used_up(10.0, "x-ratelimit-remaining-tokens", 0.0)
    assert health.report(0.0).rests_because == "rate_limited"
    health.used_up(60.0, "x-ratelimit-remaining-tokens", 0.0)
    assert health.report(0.0).rests_because == "x-ratelimit-remaining-tokens"


def test_a_book_keeps_each_target_apart_on_one_clock() -> None:
    book = HealthBook(clock=lambda: 100.0)
    book.used_up("a/m", 42.0, "x-ratelimit-remaining")
    assert book.of("a/m").rests(141.9)
    assert not book.of("b/m").rests(100.0)


def test_what_a_rival_overtook_still_counts_as_slow() -> None:
    """Else only the quick ones of the hedged would be measured, and "slow" would creep down."""
    health, random = _health(), Random(1)
    for _ in range(100):
        health.succeeded(random.expovariate(1.0))
    hedged = 0
    for _ in range(2000):
        seconds, slow = random.expovariate(1.0), health.first_event_quantile(0.95) or 0.0
        if seconds > slow:
            hedged += 1
            health.abandoned(slow + 0.1)
        else:
            health.succeeded(seconds)
    assert 0.02 < hedged / 2000 < 0.09


def test_a_client_that_leaves_early_tells_nothing_of_speed() -> None:
    health = _health()
    for _ in range(5):
        health.succeeded(1.0)
    health.abandoned(0.01)
    assert health.report(0.0).first_event_p50 == 1.0


_EVENTS = st.lists(
    st.sampled_from(["ok", "busy", "error", "limit", "bad"]) | st.floats(0.0, 400.0), max_size=60
)


@given(_EVENTS)
def test_whatever_happened_a_target_is_asked_again_in_the_end(events: list[str | float]) -> None:
    health, now = _health(), 0.0
    errors = {
        "busy": Overloaded("busy"),
        "error": ProviderServerError("oops"),
        "limit": RateLimited("later", retry_after=30.0),
        "bad": ProviderBadRequest("no"),
    }
    for event in events:
        if not isinstance(event, str):
            now += event
            continue
        health.asked(now)
        if event == "ok":
            health.succeeded(0.1)
        else:
            health.failed(errors[event], now)
    assert not health.rests(now + 301.0)
    health.asked(now + 301.0)
    health.succeeded(0.1)
    assert health.state(now + 302.0) is BreakerState.CLOSED
