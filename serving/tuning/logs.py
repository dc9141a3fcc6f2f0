"""Where `headstart tune` gets its samples: a JSONL file, or the outcome store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from classifier.tuning.samples import Sample
from models.errors import TuningError
from models.stream import Usage
from models.tokens import estimate_prompt
from router.chain import ORDINARY
from router.learning.experiment import compare_arms
from router.learning.samples import SampleRow, of_one_classifier, read_samples
from serving.tuning.jsonl import Assessed, Row, to_samples
from serving.tuning.pricing import Pricing

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
    embeddings: Sequence[bytes]  # of each sample's prompt, where it is known
    classifier: str
    source: str
    notes: tuple[str, ...] = ()


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
        embeddings=[assessed[row.prompt].embedding if row.prompt else b"" for row in rows],
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
    kept, notes = _decided_alike(rows)
    classifier = max((row.classifier for row in kept), key=len)  # with the judge, where it has one
    if any(row.fast_quality is not None and row.deep_quality is None for row in kept):
        notes.append(
            "Feedback comes from whoever cares to give it: the promise is for requests like those. "
            "Shadow sampling ([learning] shadow_rate) draws them at random."
        )
    if any(row.experiment for row in kept):
        notes.append(compare_arms(kept).verdict)
    return Log(
        samples=[pricing.fill(_sample(row), _usage(row)) for row in kept],
        embeddings=[row.embedding for row in kept],
        classifier=classifier,
        source=f"{path.name}, last {days:g} days",
        notes=(pricing.note, *notes),
    )


def _decided_alike(rows: Sequence[SampleRow]) -> tuple[list[SampleRow], list[str]]:
    """Those whose scores can be compared and whose threshold is ours to move; what is left out."""
    notes: list[str] = []

    def keep(found: list[SampleRow], all_of_them: Sequence[SampleRow], why: str) -> list[SampleRow]:
        if len(found) < len(all_of_them):
            notes.append(f"{len(all_of_them) - len(found):,} requests {why} and are left out.")
        return found

    alike = keep(of_one_classifier(rows), rows, "were judged by another classifier")
    heard = [row for row in alike if row.draft_judge == alike[-1].draft_judge]  # the one in force
    heard = keep(heard, alike, "had their drafts judged by other weights")
    own = [row for row in heard if row.asked_threshold is None]
    return keep(own or heard, heard, "brought a threshold of their own"), notes


def _sample(row: SampleRow) -> Sample:
    outright = row.weight >= _OUTRIGHT
    return Sample(
        task=row.task,
        p_fast=row.p_fast,
        until=row.fast_until,
        floor=row.threshold,
        p_prompt=row.p_prompt,
        fast_quality=row.fast_quality if outright else None,
        deep_quality=row.deep_quality if outright else None,
        fast_usd=row.fast_usd,
        deep_usd=row.deep_usd,
        when=row.created,
        named_task=row.named_task if row.judged_task else "",
        said_task=row.judged_task,
    )


def _usage(row: SampleRow) -> Usage:
    return Usage(input=row.input_tokens, output=row.output_tokens)
