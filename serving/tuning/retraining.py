"""`headstart tune --retrain`: what the classifier learned from verdicts, kept where it is better.

Three parts learn, each for itself: the embedding head and the judge's calibration, which are in the
head's file, and the judge of drafts, which has a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console

from classifier.draft import DraftJudge
from classifier.head import INPUTS_DIGEST, amended, load
from classifier.judge_scale import scale_of, with_scale
from classifier.recalibrate import Verdict, newest_judge, recalibrate, verdict
from classifier.redraft import Heard, dumped, redraft
from classifier.retrain import Lesson, keep, retrain
from models.errors import ConfigError
from router.learning.lessons import good_enough, heard, lessons, verdicts
from router.learning.samples import read_samples
from serving.learning import head_file
from serving.settings import Settings
from serving.tuning.drafts import read_judge
from serving.tuning.jsonl import Assessed, Row

T = TypeVar("T")

_NEW: Final = Path("headstart.head.npz")  # where no head is configured yet
_LATER: Final = (
    "The judge of drafts builds on the prompt's chance, which changes with this: retrain again once that "
    "has judged some traffic."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What can be learned from: for the head, for the judge, and for the judge of drafts."""

    lessons: Sequence[Lesson]
    verdicts: Sequence[Verdict]
    drafts: Sequence[Heard] = ()


def from_outcomes(path: Path, days: float) -> Taught:
    """The server's outcomes of the last days."""
    rows = read_samples(path, (datetime.now(UTC) - timedelta(days=days)).timestamp())
    return Taught(lessons=lessons(rows), verdicts=verdicts(rows), drafts=heard(rows))


def from_rows(rows: Sequence[Row], assessed: Assessed) -> Taught:
    """A file's prompts whose answers were scored."""
    taught: list[Lesson] = []
    judged: list[Verdict | None] = []
    for row in rows:
        good = good_enough(row.fast_score, row.deep_score)
        said = assessed.get(row.prompt)
        if good is None or said is None:
            continue
        lesson = Lesson(
            embedding=said.embedding,
            form=said.form,
            features=INPUTS_DIGEST,
            good=good,
            gain=said.signals.get("deep_gain"),
        )
        taught.append(lesson)
        judged.append(verdict(said.classifier, said.signals, good=good, prompt=said.embedding))
    return Taught(lessons=taught, verdicts=[each for each in judged if each is not None])


def retrain_all(console: Console, settings: Settings, taught: Taught, *, write: bool) -> None:
    """Learn, say what it is worth, and write what is better; what was in use stays beside it.

    Raises `ConfigError` where no part can learn.
    """
    now = datetime.now(UTC)
    own = settings.classifier
    old = head_file(own)
    parts = _Parts()
    new = parts.learn(lambda: _headed(console, old, taught.lessons, now)) or old
    if taught.verdicts:  # else no judge had a part in these
        new = parts.learn(lambda: _calibrated(console, new, taught.verdicts, now)) or new
    judge: DraftJudge | None = None
    if taught.drafts and new != old:
        console.print(_LATER, soft_wrap=True)
    elif taught.drafts:
        judge = parts.learn(lambda: _drafts(console, read_judge(own.drafts), taught.drafts, now))
    parts.close(console)
    if not write or (new == old and judge is None):
        console.print("Nothing is changed.")
        return
    if new != old:
        _write(console, settings, new, now)
    if judge is not None:
        _write_drafts(console, own.drafts, judge, now)


class _Parts:
    """What learns, each for itself: that one cannot is no error while another can."""

    def __init__(self) -> None:
        self._refusals: list[str] = []
        self._tried = 0

    def learn(self, part: Callable[[], T]) -> T | None:
        """What the part found; None when it has too little to learn from."""
        self._tried += 1
        try:
            return part()
        except ConfigError as error:
            self._refusals.append(error.message)
            return None

    def close(self, console: Console) -> None:
        """Say who could not."""
        if len(self._refusals) == self._tried:
            raise ConfigError(" ".join(self._refusals))
        for refusal in self._refusals:
            console.print(refusal, soft_wrap=True)


def _headed(console: Console, data: bytes, lessons: Sequence[Lesson], now: datetime) -> bytes:
    found = retrain(data, lessons, at=now)
    console.print(found.sentence, soft_wrap=True)
    return found.data if found.better else data


def _calibrated(console: Console, data: bytes, verdicts: Sequence[Verdict], now: datetime) -> bytes:
    meta = load(data).meta
    found = recalibrate(verdicts, scale_of(meta, newest_judge(verdicts)))
    console.print(found.sentence, soft_wrap=True)
    if not found.better:
        return data
    return amended(data, now, meta=with_scale(meta, found.judge, found.scale))


def _drafts(
    console: Console, judge: DraftJudge, drafts: Sequence[Heard], now: datetime
) -> DraftJudge | None:
    found = redraft(drafts, judge, at=now)
    console.print(found.sentence, soft_wrap=True)
    return found.judge if found.better else None


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


def _write_drafts(console: Console, path: Path, judge: DraftJudge, now: datetime) -> None:
    try:
        old = keep(path, dumped(judge), now)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
    console.print(f"Written: {path.resolve()}", soft_wrap=True)
    if old is not None:
        console.print(f"The old judge of drafts is kept as {old}.", soft_wrap=True)
    console.print(
        "A server that runs in this folder takes it within a second; delete the file to go back. "
        "Thresholds are of the old chances: tune again once it has judged some traffic.",
        soft_wrap=True,
    )
