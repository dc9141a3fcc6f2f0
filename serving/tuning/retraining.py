"""`headstart tune --retrain`: what the classifier learned from verdicts, kept where it is better.

Two parts learn, each for itself: the embedding head, and the judge's calibration. Both are in the
head's file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from classifier.features import FORM_DIGEST
from classifier.head import amended, load
from classifier.judge_scale import scale_of, with_scale
from classifier.recalibrate import Verdict, newest_judge, recalibrate, verdict
from classifier.retrain import Lesson, keep, retrain
from models.errors import ConfigError
from router.learning.lessons import good_enough, lessons, verdicts
from router.learning.samples import read_samples
from serving.learning import head_file
from serving.settings import Settings
from serving.tuning.jsonl import Assessed, Row

_NEW: Final = Path("headstart.head.npz")  # where no head is configured yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What can be learned from: for the head, and for the judge."""

    lessons: Sequence[Lesson]
    verdicts: Sequence[Verdict]


def from_outcomes(path: Path, days: float) -> Taught:
    """The server's outcomes of the last days."""
    rows = read_samples(path, (datetime.now(UTC) - timedelta(days=days)).timestamp())
    return Taught(lessons=lessons(rows), verdicts=verdicts(rows))


def from_rows(rows: Sequence[Row], assessed: Assessed) -> Taught:
    """A file's prompts whose answers were scored."""
    taught: list[Lesson] = []
    judged: list[Verdict | None] = []
    for row in rows:
        good = good_enough(row.fast_score, row.deep_score)
        said = assessed.get(row.prompt)
        if good is None or said is None:
            continue
        lesson = Lesson(embedding=said.embedding, form=said.form, features=FORM_DIGEST, good=good)
        taught.append(lesson)
        judged.append(verdict(said.classifier, said.signals, good=good, prompt=said.embedding))
    return Taught(lessons=taught, verdicts=[each for each in judged if each is not None])


def retrain_head(console: Console, settings: Settings, taught: Taught, *, write: bool) -> None:
    """Learn, say what it is worth, and write what is better; the old head stays beside it."""
    now = datetime.now(UTC)
    data = head_file(settings.classifier)
    new = _learned(console, data, taught, now)
    if new == data or not write:
        console.print("Nothing is changed.")
        return
    _write(console, settings, new, now)


def _learned(console: Console, data: bytes, taught: Taught, now: datetime) -> bytes:
    """The head's file with what is better in it. Raises `ConfigError` where no part can learn."""
    refusals: list[str] = []
    parts = 1
    try:
        found = retrain(data, taught.lessons, at=now)
        console.print(found.sentence, soft_wrap=True)
        data = found.data if found.better else data
    except ConfigError as error:
        refusals.append(error.message)
    if taught.verdicts:  # else no judge had a part in these
        parts += 1
        try:
            data = _calibrated(console, data, taught.verdicts, now)
        except ConfigError as error:
            refusals.append(error.message)
    if len(refusals) == parts:
        raise ConfigError(" ".join(refusals))
    for refusal in refusals:
        console.print(refusal, soft_wrap=True)
    return data


def _calibrated(console: Console, data: bytes, verdicts: Sequence[Verdict], now: datetime) -> bytes:
    meta = load(data).meta
    found = recalibrate(verdicts, scale_of(meta, newest_judge(verdicts)))
    console.print(found.sentence, soft_wrap=True)
    if not found.better:
        return data
    return amended(data, now, meta=with_scale(meta, found.judge, found.scale))


def _write(console: Console, settings: Settings, data: bytes, now: datetime) -> None:
    own = settings.classifier
    path = own.head or _NEW
    try:
        old = keep(path, data, now)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
    console.print(f"Written: {path.resolve()}", soft_wrap=True)
    if old is not None:
        console.print(f"The old head is kept as {old}.", soft_wrap=True)
    if own.head is None:
        line = f'head = "{path}"'
        console.print(f"Add to [classifier] in headstart.toml: {line}", markup=False)
    console.print(
        "A restart takes it. Thresholds are of the old scores: tune again once it has judged some "
        "traffic.",
        soft_wrap=True,
    )
