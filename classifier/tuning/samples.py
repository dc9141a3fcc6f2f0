"""What thresholds are chosen from: requests with their score, and what is known of their quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.errors import TuningError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PERFECT = 1.0  # what an unknown deep quality counts as: the careful side
GOOD = 0.5  # a quality from here on is a good answer, where yes or no is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request. A quality (0..1), a price or a time that is not known is None.

    `p_fast` is the chance that was said; `until` is the highest threshold at which the fast tier
    answers. They differ where the server looked twice: a draft under its bar is never shown, and one
    whose first words are sure is shown before the rest of its sentence could move the chance.
    """

    task: str
    p_fast: float
    until: float | None = None  # below 0: the fast tier answers at no threshold; None: `p_fast`
    floor: float = 0.0  # the threshold in force: what the fast tier does below it was not seen
    p_prompt: float | None = None  # from the prompt alone; None: `p_fast`
    fast_quality: float | None = None
    deep_quality: float | None = None
    fast_usd: float | None = None
    deep_usd: float | None = None
    when: float | None = None  # Unix time, seconds
    named_task: str = ""  # the task as the client or a person named it
    said_task: str = ""  # the task that the classifier saw; empty: `task`
    named_deep_usd: float | None = None  # what the deep tier would take for the named task
    said_deep_usd: float | None = None  # ... and for the one that the classifier saw


@dataclass(frozen=True)
class Samples:
    """The samples as columns; NaN: not known."""

    tasks: NDArray[np.str_]
    p_fast: Floats
    until: Floats
    floor: Floats
    p_prompt: Floats
    fast: Floats
    deep: Floats
    fast_usd: Floats
    deep_usd: Floats
    when: Floats
    named_tasks: NDArray[np.str_]
    said_tasks: NDArray[np.str_]
    named_deep_usd: Floats
    said_deep_usd: Floats

    @classmethod
    def of(cls, rows: Sequence[Sample]) -> Samples:
        """Columns of these rows. Raises `TuningError` for none, and for numbers outside 0..1."""
        if not rows:
            raise TuningError(
                "There are no samples: the log is empty. Let some requests through first, or give "
                "prompts with scores by --data FILE.jsonl."
            )
        samples = cls(
            tasks=np.array([row.task for row in rows]),
            p_fast=np.array([row.p_fast for row in rows], np.float64),
            until=np.array([_either(row.until, row.p_fast) for row in rows], np.float64),
            floor=np.array([row.floor for row in rows], np.float64),
            p_prompt=np.array([_either(row.p_prompt, row.p_fast) for row in rows], np.float64),
            fast=_column([row.fast_quality for row in rows]),
            deep=_column([row.deep_quality for row in rows]),
            fast_usd=_column([row.fast_usd for row in rows]),
            deep_usd=_column([row.deep_usd for row in rows]),
            when=_column([row.when for row in rows]),
            named_tasks=np.array([row.named_task for row in rows]),
            said_tasks=np.array([row.said_task or row.task for row in rows]),
            named_deep_usd=_column([row.named_deep_usd for row in rows]),
            said_deep_usd=_column([row.said_deep_usd for row in rows]),
        )
        _check_share("p_fast", samples.p_fast, missing=False)
        _check_share("fast", samples.fast)
        _check_share("deep", samples.deep)
        return samples

    def __len__(self) -> int:
        """How many requests."""
        return self.p_fast.size

    def only(self, keep: Mask | NDArray[np.int_]) -> Samples:
        """Those of the mask, or at these places."""
        return Samples(**{column.name: getattr(self, column.name)[keep] for column in fields(self)})

    @cached_property
    def judged(self) -> Samples:
        """Those whose fast quality is known, and so can teach something."""
        return self.only(~np.isnan(self.fast))

    @cached_property
    def assumed(self) -> int:
        """How many of the judged say nothing of the deep tier, which then counts as perfect."""
        return int(np.isnan(self.judged.deep).sum())

    @cached_property
    def deep_or_perfect(self) -> Floats:
        """The deep tier's quality, where unknown as if it were never wrong."""
        return np.where(np.isnan(self.deep), PERFECT, self.deep)

    @cached_property
    def drops(self) -> Floats:
        """What each request loses when the fast tier answers it, -1..1; NaN where not judged."""
        return self.deep_or_perfect - self.fast

    @cached_property
    def days(self) -> float | None:
        """The time that they span; None when fewer than two of them say when they were."""
        known = self.when[~np.isnan(self.when)]
        span = float(known.max() - known.min()) / 86_400 if known.size > 1 else 0.0
        return span or None


def check_teaches(samples: Samples) -> None:
    """Refuse samples that say the same of every request: no threshold can be told from them."""
    known = samples.judged
    if not len(known):
        raise TuningError(
            f"None of the {len(samples)} samples says how good an answer was: collect feedback "
            "(/v1/feedback) or turn on shadow sampling, or give scores by --data FILE.jsonl."
        )
    if np.ptp(known.fast) == 0.0:
        kind = "good" if known.fast[0] >= GOOD else "bad"
        raise TuningError(
            f"All {len(known)} samples have the same fast score ({known.fast[0]:g}, {kind}): nothing "
            "can be told apart. Add requests that the fast tier answers "
            f"{'badly' if kind == 'good' else 'well'}."
        )


def _either(own: float | None, general: float) -> float:
    return general if own is None else own


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _check_share(name: str, column: Floats, *, missing: bool = True) -> None:
    wrong = (column < 0) | (column > 1) | np.isinf(column)
    if not missing:
        wrong |= np.isnan(column)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise TuningError(
            f"Sample {at + 1} has {name} = {column[at]:g}: scores lie between 0 and 1. Divide by the "
            "best possible score."
        )
