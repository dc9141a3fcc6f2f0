"""Tasks taken for others, and what that costs with the thresholds and orders that tasks have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.tuning.samples import Floats, Mask, Samples
from classifier.tuning.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Requests of one task that were taken for another, and what would be if they had not been."""

    named: str
    said: str
    requests: int
    moved: int  # of them, those that get another tier for it
    usd: float | None  # more dollars in all; None: not known of any
    lost: float | None  # quality that they lose in the mean; None: not known of any


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often requests of a named task (row) were taken for a task (column).

    A client named the task when it asked, or afterwards as feedback; or a file names it.
    """

    named: tuple[str, ...]
    said: tuple[str, ...]
    counts: NDArray[np.int_]
    mistakes: tuple[Mistake, ...]  # the dearest first

    @property
    def requests(self) -> int:
        """Whose task is known."""
        return int(self.counts.sum())

    @property
    def mistaken(self) -> int:
        """Of them, those that were taken for another."""
        return sum(mistake.requests for mistake in self.mistakes)


def confusion(samples: Samples, thresholds: Thresholds) -> Confusion | None:
    """Of the samples whose task somebody named; None when there are none."""
    known = samples.only(samples.named_tasks != "")
    if not len(known):
        return None
    names, said = np.unique(known.named_tasks), np.unique(known.said_tasks)
    counts = np.zeros((names.size, said.size), np.int_)
    places = np.searchsorted(names, known.named_tasks), np.searchsorted(said, known.said_tasks)
    np.add.at(counts, places, 1)
    pairs = [
        (str(row), str(column))
        for row in names
        for column in said
        if row != column and counts[names == row, said == column].any()
    ]
    mistakes = [_mistake(known, pair, thresholds) for pair in pairs]
    return Confusion(
        named=tuple(names.tolist()),
        said=tuple(said.tolist()),
        counts=counts,
        mistakes=tuple(sorted(mistakes, key=_dear)),
    )


def _mistake(samples: Samples, pair: tuple[str, str], thresholds: Thresholds) -> Mistake:
    named, said = pair
    part = samples.only((samples.named_tasks == named) & (samples.said_tasks == said))
    was, right = (part.until >= thresholds.of(task) for task in (said, named))
    more = _usd(part, was, part.said_deep_usd) - _usd(part, right, part.named_deep_usd)
    more, lost = _known(more), _known(_quality(part, right) - _quality(part, was))
    return Mistake(
        named=named,
        said=said,
        requests=len(part),
        moved=int((was != right).sum()),
        usd=float(more.sum()) if more.size else None,
        lost=float(lost.mean()) if lost.size else None,
    )


def _usd(part: Samples, fast: Mask, deep: Floats) -> Floats:
    return np.where(fast, part.fast_usd, deep)


def _quality(part: Samples, fast: Mask) -> Floats:
    """NaN where the fast tier's is not known: what a request loses cannot be told then."""
    return np.where(np.isnan(part.fast), np.nan, np.where(fast, part.fast, part.deep_or_perfect))


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _dear(mistake: Mistake) -> tuple[float, float, int]:
    return -(mistake.usd or 0.0), -(mistake.lost or 0.0), -mistake.requests
