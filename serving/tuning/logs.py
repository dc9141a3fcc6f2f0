"""Where `headstart tune` gets its samples: a JSONL file, or the outcome store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from classifier.tuning.samples import Sample
from models.catalogue import Catalogue
from models.errors import TuningError
from models.prices import cost
from models.stream import Usage
from models.tokens import estimate_prompt
from router.chain import ORDINARY
from router.learning.experiment import compare_arms
from router.learning.samples import SampleRow, read_samples
from serving.tuning.jsonl import Assessed, Row, to_samples

_DAY: Final = 86_400
_OUTRIGHT: Final = 1.0  # the weight of a quality that somebody stated; less is only a hint
_PROMPTS_ALONE: Final = (
    "A running server also listens to the draft's first sentence, which no file can tell: the promise "
    "is for decisions by the prompt. Tune on the server's own outcomes for both together."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Samples, who made their scores, and what a reader should know of them."""

    samples: Sequence[Sample]
    classifier: str
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Dollars where a sample has none: the fast tier's are 0, the deep tier's are those of a model."""

    catalogue: Catalogue
    model: str  # "": there is none with a price
    at: datetime

    @classmethod
    def of(cls, order: Sequence[str], catalogue: Catalogue, at: datetime) -> Pricing:
        """By the first model of the order that has a price."""
        priced = (n for n in order if cost(ORDINARY, catalogue.card(n), at) is not None)
        return cls(catalogue=catalogue, model=next(priced, ""), at=at)

    @property
    def note(self) -> str:
        """In a sentence."""
        if not self.model:
            return "No model of [deep] has a known price, so dollars are missing."
        return f"Where no dollars were recorded they are estimated by the prices of {self.model}."

    def deep(self, usage: Usage) -> float | None:
        """What the deep tier would take for it."""
        usd = cost(usage, self.catalogue.card(self.model), self.at) if self.model else None
        return None if usd is None else float(usd)

    def fill(self, sample: Sample, usage: Usage) -> Sample:
        """The sample with dollars."""
        return replace(
            sample,
            fast_usd=0.0 if sample.fast_usd is None else sample.fast_usd,
            deep_usd=self.deep(usage) if sample.deep_usd is None else sample.deep_usd,
        )


def from_file(
    path: Path, rows: Sequence[Row], assessed: Assessed, classifier: str, pricing: Pricing
) -> Log:
    """The samples of a file whose prompts were classified."""
    samples = to_samples(rows, assessed)
    usages = (
        Usage(input=estimate_prompt(row.request), output=ORDINARY.output)
        if row.prompt
        else ORDINARY
        for row in rows
    )
    return Log(
        samples=[pricing.fill(s, usage) for s, usage in zip(samples, usages, strict=True)],
        classifier=classifier,
        source=f"{path.name}, {len(rows):,} lines",
        notes=(pricing.note, _PROMPTS_ALONE),
    )


def from_store(path: Path, days: float, pricing: Pricing) -> Log:
    """What the server judged in the last days.

    Raises `ConfigError` for a file that is no store, `TuningError` for one with nothing in it.
    """
    rows = read_samples(path, pricing.at.timestamp() - days * _DAY)
    if not rows:
        raise TuningError(
            f"{path} has no request of the last {days:g} days that `auto` judged: the log is empty. "
            "Let some requests through, look further back with --days, or give --data FILE.jsonl."
        )
    classifier, count = Counter(row.classifier for row in rows).most_common(1)[0]
    others = len(rows) - count
    notes = [pricing.note]
    if others:
        notes.append(f"{others:,} requests were judged by another classifier and are left out.")
    kept = [row for row in rows if row.classifier == classifier]
    if any(row.fast_quality is not None and row.deep_quality is None for row in kept):
        notes.append(
            "Feedback comes from whoever cares to give it: the promise is for requests like those. "
            "Shadow sampling ([learning] shadow_rate) draws them at random."
        )
    if any(row.experiment for row in kept):
        notes.append(compare_arms(kept).verdict)
    return Log(
        samples=[pricing.fill(_sample(row), _usage(row)) for row in kept],
        classifier=classifier,
        source=f"{path.name}, last {days:g} days",
        notes=tuple(notes),
    )


def _sample(row: SampleRow) -> Sample:
    outright = row.weight >= _OUTRIGHT
    return Sample(
        task=row.task,
        p_fast=row.p_fast,
        fast_quality=row.fast_quality if outright else None,
        deep_quality=row.deep_quality if outright else None,
        fast_usd=row.fast_usd,
        deep_usd=row.deep_usd,
        when=row.created,
    )


def _usage(row: SampleRow) -> Usage:
    return Usage(input=row.input_tokens, output=row.output_tokens)
