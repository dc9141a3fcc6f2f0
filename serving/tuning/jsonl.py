"""Samples from a file of one's own: a JSON object per line, with a prompt and how good answers were."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from classifier.assessment import TASKS, Assessment, Classifier
from classifier.tuning.samples import Sample
from models.chat import ChatRequest, Message, Text
from models.errors import TuningError

Classified = Callable[[], None]  # told after each prompt

_SHARES: Final = ("fast", "deep", "p_fast")
_FORM: Final = '{"prompt": "…", "fast": 0.8, "deep": 1.0}'


class Row(msgspec.Struct, frozen=True):
    """One line. Scores may be true and false; keys that are not named here are left alone."""

    prompt: str = ""
    fast: float | bool | None = None
    deep: float | bool | None = None
    task: str = ""
    p_fast: float | None = None
    fast_usd: float | None = None
    deep_usd: float | None = None
    when: float | None = None
    classifier: str = ""  # who made `p_fast`

    @property
    def request(self) -> ChatRequest:
        """The prompt as a client would send it."""
        return ChatRequest(model="auto", messages=(_turn(self.prompt),))

    @property
    def to_classify(self) -> bool:
        """Whether the classifier has something to say of it."""
        return bool(self.prompt)


def read_rows(path: Path) -> list[Row]:
    """The file's rows. Raises `TuningError` with the line of the first one that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TuningError(f"Cannot read {path}: {why}.") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise TuningError(f"{path} is empty: write one JSON object per line, {_FORM}.")
    return [_row(line, f"{path.name}, line {number}") for number, line in lines]


def refuse_foreign_scores(rows: Iterable[Row], classifier: str) -> None:
    """Refuse a `p_fast` that says it was made by another classifier than the one that runs here."""
    for row in rows:
        if row.p_fast is not None and row.classifier not in ("", classifier):
            raise TuningError(
                f"The file's p_fast were made by {row.classifier}, and {classifier} runs here: their "
                "scores cannot be compared. Leave p_fast out, and the prompts are classified again."
            )


async def to_samples(
    rows: Iterable[Row], classifier: Classifier, classified: Classified
) -> list[Sample]:
    """Their samples; a prompt that comes again is classified once."""
    known: dict[str, Assessment] = {}
    samples: list[Sample] = []
    for row in rows:
        assessment = None
        if row.to_classify:
            if row.prompt not in known:
                known[row.prompt] = await classifier.assess(row.request)
            assessment = known[row.prompt]
            classified()
        samples.append(_sample(row, assessment))
    return samples


def _row(line: str, place: str) -> Row:
    try:
        row = msgspec.json.decode(line, type=Row)
    except msgspec.ValidationError as error:
        raise TuningError(f"{place}: {_plain(error)}. Right is {_FORM}.") from None
    except msgspec.DecodeError:
        raise TuningError(f"{place} is not JSON. Right is {_FORM}.") from None
    for name in _SHARES:
        value = getattr(row, name)
        if value is not None and not 0 <= value <= 1:
            raise TuningError(
                f"{place}: {name} = {value:g}; scores lie between 0 and 1. Divide by the best "
                "possible score."
            )
    if not row.prompt and row.p_fast is None:
        raise TuningError(f"{place} has neither a prompt nor p_fast. Right is {_FORM}.")
    if row.task and row.task not in TASKS:
        raise TuningError(f"{place}: `{row.task}` is no task; the tasks are {', '.join(TASKS)}.")
    return row


def _sample(row: Row, assessment: Assessment | None) -> Sample:
    said = assessment.p_fast if assessment else math.nan
    return Sample(
        task=assessment.task if assessment else row.task or "chat",
        p_fast=said if row.p_fast is None else row.p_fast,
        fast_quality=None if row.fast is None else float(row.fast),
        deep_quality=None if row.deep is None else float(row.deep),
        fast_usd=row.fast_usd,
        deep_usd=row.deep_usd,
        when=row.when,
        named_task=row.task if assessment else "",
    )


def _turn(prompt: str) -> Message:
    return Message(role="user", parts=(Text(text=prompt),))


def _plain(error: msgspec.ValidationError) -> str:
    """`Expected `float`, got `str` - at `$.fast`` for a person."""
    what, _, where = str(error).partition(" - at ")
    return f"{where.strip('`').removeprefix('$.')}: {what.lower()}" if where else what.lower()
