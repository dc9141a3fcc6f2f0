"""Hosted targets in the order in which they are asked; equals take turns by weight. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from models.prices import cost
from models.stream import Usage
from router.plan import Target
from router.weights import EVEN, Exponents, Record, drawn, shares

# Names in order of preference; a group of names in the place of one is of equals.
Order: TypeAlias = tuple[str | tuple[str, ...], ...]

ORDINARY = Usage(input=1000, output=400)  # tokens, where no request says how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a group's shares depend on beside its members."""

    records: Mapping[str, Record] = field(default_factory=dict[str, Record])  # by target name
    resting: frozenset[str] = frozenset()
    exponents: Exponents = EVEN
    usage: Usage = ORDINARY
    at: datetime | None = None  # aware: prices change; None leaves the price out


def groups(*orders: Order) -> Iterator[tuple[str, ...]]:
    """Every name once, in order; a name alone is a group of one."""
    seen: set[str] = set()
    for entry in (entry for order in orders for entry in order):
        names = (entry,) if isinstance(entry, str) else entry
        fresh = tuple(name for name in dict.fromkeys(names) if name not in seen)
        seen.update(fresh)
        if fresh:
            yield fresh


def written(order: Order) -> str:
    """An order as a line of text."""
    return ", ".join(e if isinstance(e, str) else " | ".join(e) for e in order)


def group_shares(group: Sequence[Target], standing: Standing) -> tuple[float, ...]:
    """The share of requests that each member gets now: those that rest get none while others can."""
    awake = [target for target in group if target.name not in standing.resting] or list(group)
    found = shares(
        [standing.records.get(target.name, Record()) for target in awake],
        [_dollars(target, standing) for target in awake],
        standing.exponents,
    )
    by_name = {target.asked_as: share for target, share in zip(awake, found, strict=True)}
    return tuple(by_name.get(target.asked_as, 0.0) for target in group)


def line_up(group: Sequence[Target], group_shares: Sequence[float], draw: float) -> list[Target]:
    """The members in the order in which they are asked."""
    return [group[place] for place in drawn(group_shares, draw)]


def _dollars(target: Target, standing: Standing) -> float | None:
    if standing.at is None:
        return None
    usd = cost(standing.usage, target.card, standing.at)
    return None if usd is None else float(usd)
