"""How each hosted target has been doing: a circuit breaker and what it has measured.

    closed      asked as usual
    open        rests: too many failures, or it said for how long (retry-after)
    half_open   the rest is over: one request probes it, the others still go elsewhere

The breaker never refuses: the policy asks those that rest after all others, so a fleet in which
everything rests still answers if anything can. Rests double with each failed probe, with jitter so
that many routers do not come back together (AWS Architecture Blog, "Exponential Backoff And
Jitter"). A target also rests, without having failed, when a reply's headers say that nothing
remains of an allowance.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
from router.deadline import Clock
from router.weights import Record

_WINDOW = 20  # outcomes that count
_ENOUGH = 5  # fewer say nothing
_FAILING = 0.5  # share of failures that opens the breaker
_FIRST_REST = 5.0  # seconds
_LONGEST_REST = 300.0
_MOST_TRIPS = 10  # from here on every rest is the longest
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
    rests_because: str  # an error's code, or the header that says that nothing remains
    last_error: str
    shares: Mapping[str, float] = field(default_factory=dict[str, float])  # see router.weights


class TargetHealth:
    """The health of one target."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        """`jitter` gives 0..1."""
        self._jitter = jitter
        self._results: deque[bool] = deque(maxlen=_WINDOW)
        self._timings: deque[float] = deque(maxlen=_TIMINGS)
        self._ordered: list[float] = []  # the timings by size
        self._rests_until = 0.0
        self._rests_because = ""
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
            self._time(first_event)
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
            self._rest(_LONGEST_REST, error.code, now)
        elif error.retry_after is not None:
            self._rest(error.retry_after, error.code, now)
        elif isinstance(error, RateLimited | Overloaded) or self._probing or self._failing():
            self._trip(error.code, now)
        self._probing = False

    def abandoned(self, waited: float) -> None:
        """We ended the request before it told anything, after so many seconds.

        One that was slower than it mostly is counts as that slow at least. Else, where a rival
        is asked beside slow ones, only the quick ones would ever be measured, and what is called
        slow would get shorter and shorter.
        """
        self._probing = False
        slow = self.first_event_quantile(0.95)
        if slow is not None and waited >= slow:
            self._time(waited)

    def used_up(self, seconds: float, header: str, now: float) -> None:
        """A good reply came with the news that nothing remains for so long.

        Most hosts tell when the allowance is whole again, and something of it is back long
        before: a daily one is looked at again after the longest rest.
        """
        self._rest(min(seconds, _LONGEST_REST), header, now)

    def _rest(self, seconds: float, because: str, now: float) -> None:
        """Others are asked first, for so long."""
        if now + seconds > self._rests_until:
            self._rests_until = now + seconds
            self._rests_because = because

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
            rests_because=self._rests_because if now < self._rests_until else "",
            last_error=self._last_error,
        )

    def record(self) -> Record:
        """What its weight among equals is made of."""
        return Record(
            first_event=self.first_event_quantile(0.5),
            answered=self._results.count(True),
            failed=self._results.count(False),
        )

    def first_event_quantile(self, q: float) -> float | None:
        """Quantile of the latency to the first event; None with fewer than five measurements."""
        if len(self._timings) < _ENOUGH:
            return None
        ordered = self._ordered = self._ordered or sorted(self._timings)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]

    def _time(self, first_event: float) -> None:
        self._timings.append(first_event)
        self._ordered = []

    def _failing(self) -> bool:
        enough = len(self._results) >= _ENOUGH
        return enough and self._results.count(False) / len(self._results) >= _FAILING

    def _trip(self, because: str, now: float) -> None:
        """Open, for twice as long as the last time."""
        seconds = min(_LONGEST_REST, _FIRST_REST * 2**self._trips)
        self._trips = min(self._trips + 1, _MOST_TRIPS)
        self._tripped = True
        self._rest(seconds * (0.5 + self._jitter() / 2), because, now)


class HealthBook:
    """The health of every hosted target that was asked, by `provider/model`."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Nobody was asked yet."""
        self.clock = clock
        self._health: dict[str, TargetHealth] = {}

    def of(self, name: str) -> TargetHealth:
        """One target's health."""
        return self._health.setdefault(name, TargetHealth())

    def used_up(self, name: str, seconds: float, header: str) -> None:
        """A reply of this target says that nothing remains: see `TargetHealth.used_up`."""
        self.of(name).used_up(seconds, header, self.clock())

    def __iter__(self) -> Iterator[tuple[str, TargetHealth]]:
        """Each target with its health."""
        return iter(self._health.items())
