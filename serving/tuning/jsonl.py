"""Samples from a file of one's own: a JSON object per line, with a prompt and how good answers were."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import httpx
import msgspec

from classifier.assessment import TASKS, Assessment, Classifier
from classifier.judge import JudgeUnclear
from classifier.tuning.samples import Sample
from models.chat import ChatRequest, Message, Text
from models.errors import TuningError

Classified: TypeAlias = Callable[[], None]  # told after each prompt
Assessed: TypeAlias = Mapping[str, Assessment]  # by prompt

AT_ONCE: Final = 16  # prompts; the judge's engine batches them
_PAUSES: Final = (0.5, 2.0, 8.0)  # seconds before the second try, the third, the last
_BUSY: Final = (408, 429, 500, 502, 503, 504)
_SHOWN: Final = 60  # characters of a prompt in an error

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
        return _request(self.prompt)

    @property
    def fast_score(self) -> float | None:
        """How good the fast tier's answer was."""
        return None if self.fast is None else float(self.fast)

    @property
    def deep_score(self) -> float | None:
        """The same of the deep tier's."""
        return None if self.deep is None else float(self.deep)

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


def prompts(rows: Iterable[Row]) -> list[str]:
    """What has to be classified: a prompt that comes again counts once."""
    return list(dict.fromkeys(row.prompt for row in rows if row.to_classify))


async def assess_rows(
    rows: Sequence[Row], classifier: Classifier, classified: Classified
) -> Assessed:
    """What the classifier says of each prompt, `AT_ONCE` under way at a time.

    Raises `TuningError` at the first prompt that it cannot tell: a score from elsewhere in its place
    would not be one that the server decides by.
    """
    waiting = iter(prompts(rows))
    found: dict[str, Assessment] = {}

    async def work() -> None:
        for prompt in waiting:
            found[prompt] = await _assess(classifier, prompt)
            classified()

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return found


async def _assess(classifier: Classifier, prompt: str) -> Assessment:
    for pause in (*_PAUSES, None):
        try:
            return await classifier.assess(_request(prompt))
        except (httpx.HTTPError, JudgeUnclear) as error:
            if pause is None or not _passes(error):
                raise TuningError(_failed(prompt, error)) from error
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _passes(error: Exception) -> bool:
    """Whether trying again may help: a busy or restarting engine, not a wrong question."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _BUSY
    return isinstance(error, httpx.TransportError)


def _failed(prompt: str, error: Exception) -> str:
    said = " ".join(prompt.split())[:_SHOWN]
    why = f"{error}" or type(error).__name__
    return (
        f"The judge gave no score for the prompt that begins with `{said}`: {why.splitlines()[0]}. "
        "Nothing is changed. See its engine's log and run this again, or add --without-judge to score "
        "by the embedding classifier alone."
    )


def to_samples(rows: Iterable[Row], assessed: Assessed) -> list[Sample]:
    """The rows as samples, scored by what was said of their prompts."""
    return [_sample(row, assessed.get(row.prompt)) for row in rows]


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
        fast_quality=row.fast_score,
        deep_quality=row.deep_score,
        fast_usd=row.fast_usd,
        deep_usd=row.deep_usd,
        when=row.when,
        named_task=row.task if assessment else "",
    )


def _request(prompt: str) -> ChatRequest:
    turn = Message(role="user", parts=(Text(text=prompt),))
    return ChatRequest(model="auto", messages=(turn,))


def _plain(error: msgspec.ValidationError) -> str:
    """`Expected `float`, got `str` - at `$.fast`` for a person."""
    what, _, where = str(error).partition(" - at ")
    return f"{where.strip('`').removeprefix('$.')}: {what.lower()}" if where else what.lower()
