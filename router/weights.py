"""How often each of several equals is asked: by how quick, reliable and cheap it has been.

    weight = ratio(seconds) ^ latency x ratio(tries) ^ errors x ratio(dollars) ^ price
    ratio(x) = median of the group / x, but never under 1/10 or over 10

    seconds   median until its first event
    tries     how often it must be asked for one answer: 1 / share of answers
    dollars   what this prompt and an ordinary answer cost there

A share of the requests is a weight over the sum of the weights. Why so:

- Seconds x tries is the time until an answer begins, counting what is lost on failures; times
  dollars it is what a request costs in both. With all exponents 1, twice as slow, twice as dear
  and failing every second time each halve the share. A larger exponent sharpens its measure
  towards "only the best", 0 leaves it out.
- Shares, not ranks: a worse equal keeps being measured, so that it is noticed when it recovers,
  and many routers do not all turn to the same host at once.
- The median makes units cancel, and what is not known counts as the median: a new equal gets an
  ordinary share and so becomes known.
- The limits keep a free or an instant one from taking everything.
- The share of answers is counted as if there had been one more of each (Laplace's rule of
  succession): one failure in one request is no proof of a dead host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

_LIMIT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponents:
    """How much each measure counts."""

    latency: float = 1.0
    errors: float = 1.0
    price: float = 1.0


EVEN = Exponents()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How one target has been doing."""

    first_event: float | None = None  # median seconds; None: not enough measurements
    answered: int = 0
    failed: int = 0

    @property
    def tries(self) -> float | None:
        """How often it must be asked for one answer; None when it never was."""
        asked = self.answered + self.failed
        return (asked + 2) / (self.answered + 1) if asked else None


def shares(
    records: Sequence[Record], dollars: Sequence[float | None], exponents: Exponents
) -> tuple[float, ...]:
    """The share of requests that each of a group should get, in its order; together 1."""
    measures = (
        ([record.first_event for record in records], exponents.latency),
        ([record.tries for record in records], exponents.errors),
        (dollars, exponents.price),
    )
    weights = [1.0] * len(records)
    for values, exponent in measures:
        for place, ratio in enumerate(_ratios(values)):
            weights[place] *= ratio**exponent
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def drawn(group_shares: Sequence[float], draw: float) -> tuple[int, ...]:
    """Places in the order in which they are asked: one by `draw` (0 to 1), then the best first."""
    best_first = sorted(range(len(group_shares)), key=lambda place: -group_shares[place])
    sums = accumulate(group_shares)
    first = next((place for place, upto in enumerate(sums) if draw < upto), best_first[0])
    return (first, *(place for place in best_first if place != first))


def _ratios(values: Sequence[float | None]) -> list[float]:
    """How many times better than the group's median each is; 1 where it is not known."""
    known = [value for value in values if value is not None]
    middle = median(known) if known else 0.0
    return [1.0 if value is None else _ratio(middle, value) for value in values]


def _ratio(middle: float, value: float) -> float:
    if value == middle:
        return 1.0
    return min(_LIMIT, max(1 / _LIMIT, middle / value)) if value else _LIMIT
