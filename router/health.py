"""How each hosted target has been doing: a circuit breaker and what it has measured.

    closed      asked as usual
    open        rests: too many failures, or it said for how long (retry-after)
    half_open   the rest is over: one request probes it, the others still go elsewhere

The breaker never refuses: the policy asks those that rest after all others, so a fleet in which
everything rests still answers if anything can. Rests double with each failed probe, with jitter so
that many routers do not come back together (AWS Architecture Blog, "Exponential Backoff And
Jitter").
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from models.errors import (
    HeadstartError,
    Overloaded,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)

_WINDOW = 20  # outcomes that count
_ENOUGH = 5  # fewer say nothing
_FAILING = 0.5  # share of failures that opens the breaker
_FIRST_REST = 5.0  # seconds
_LONGEST_REST = 300.0
_TIMINGS = 100  # first-event latencies that are remembered


class BreakerState(StrEnum):
    """Whether a target is asked as usual."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """One target's health, for people and for the policy. Times in seconds."""

    state: BreakerState
    asked: int
    failure_share: float  # over the last requests
    first_event_p50: float | None
    first_event_p95: float | None
    rests_for: float
    last_error: str


class TargetHealth:
    """The health of one target."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` gives 0..1."""
        self._jitter = jitter
        self._results: deque[bool] = deque(maxlen=_WINDOW)
        self._timings: deque[float] = deque(maxlen=_TIMINGS)
        self._rests_until = 0.0
        self._tripped = False
        self._trips = 0
        self._probing = False
        self._asked = 0
        self._last_error = ""

    def state(self, now: float) -> BreakerState:
        """Where the breaker stands."""
        if now < self._rests_until:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN if self._tripped else BreakerState.CLOSED

    def rests(self, now: float) -> bool:
        """True when others should be asked first."""
        state = self.state(now)
        return state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._probing)

    def asked(self, now: float) -> None:
        """A request goes out; in half-open it is the probe."""
        self._asked += 1
        self._probing = self.state(now) is BreakerState.HALF_OPEN

    def succeeded(self, first_event: float | None) -> None:
        """It answered, beginning after so many seconds."""
        if first_event is not None:
            self._timings.append(first_event)
        self._results.append(True)
        if self._probing or self._tripped:
            self._results.clear()
        self._probing = self._tripped = False
        self._trips = 0

    def failed(self, error: HeadstartError, now: float) -> None:
        """It did not. Requests that would fail anywhere say nothing about it."""
        if isinstance(error, ProviderBadRequest) or not isinstance(error, ProviderError):
            self._probing = False
            return
        self._last_error = error.code
        self._results.append(False)
        if isinstance(error, QuotaExhausted | ProviderAuthError):
            self._rest(_LONGEST_REST, now)
        elif error.retry_after is not None:
            self._rest(error.retry_after, now)
        elif isinstance(error, RateLimited | Overloaded) or self._probing or self._failing():
            self._trip(now)
        self._probing = False

    def abandoned(self) -> None:
        """We ended the request before it told anything."""
        self._probing = False

    def report(self, now: float) -> HealthReport:
        """What is known of it."""
        failures = self._results.count(False)
        return HealthReport(
            state=self.state(now),
            asked=self._asked,
            failure_share=failures / len(self._results) if self._results else 0.0,
            first_event_p50=self.first_event_quantile(0.5),
            first_event_p95=self.first_event_quantile(0.95),
            rests_for=max(0.0, self._rests_until - now),
            last_error=self._last_error,
        )

    def first_event_quantile(self, q: float) -> float | None:
        """Quantile of the latency to the first event; None with fewer than five measurements."""
        if len(self._timings) < _ENOUGH:
            return None
        ordered = sorted(self._timings)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

    def _failing(self) -> bool:
        enough = len(self._results) >= _ENOUGH
        return enough and self._results.count(False) / len(self._results) >= _FAILING

    def _trip(self, now: float) -> None:
        """Open, for twice as long as the last time."""
        seconds = min(_LONGEST_REST, _FIRST_REST * 2**self._trips)
        self._trips += 1
        self._tripped = True
        self._rest(seconds * (0.5 + self._jitter() / 2), now)

    def _rest(self, seconds: float, now: float) -> None:
        self._rests_until = max(self._rests_until, now + seconds)
