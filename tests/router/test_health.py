"""The circuit breaker of one target, on a clock by hand."""

from __future__ import annotations

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
from router.health import BreakerState, TargetHealth


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
