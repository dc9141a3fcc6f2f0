"""Learning what the judge's yes is worth: Platt's sigmoid fitted again, kept only if it is better.

A verdict says whether the fast tier's answer was good enough where the judge had said so much for it.
One sigmoid is fitted to all verdicts, and one to each task that has enough of them and whose own
tells its held-out verdicts better. What is fitted is judged on prompts that it did not see, by log
loss, beside the scale in use: the judge's chance must be shown to be better, and the chance that a
server decides by (the mean of the judge's and the embedding classifier's, in logits) must not be worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import Platt, fit_platt, mean_chance
from classifier.combine import judge_of
from classifier.judge import LOGIT, SAYS
from classifier.judge_scale import JudgeScale
from classifier.measures import ece, log_losses, mean_interval
from models.errors import ConfigError

Floats: TypeAlias = NDArray[np.float64]

LEAST: Final = 100  # verdicts: of all, and of a task that may have a sigmoid of its own
LEAST_OF_A_KIND: Final = 10  # of those where fast was enough, and of the others
_MOST: Final = 20_000  # the newest
_FOLDS: Final = 5
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge said of a request, and whether the fast tier's answer was good enough (0..1)."""

    judge: str  # name of model and prompt
    logit: float
    task: str  # what the judge took it for
    beside: float  # the embedding classifier's chance then
    good: float
    prompt: bytes  # tells prompts apart; nothing else is read from it
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well chances tell the verdicts."""

    loss: float  # log loss of the judge's chance
    ece: float  # its calibration error
    both: float  # log loss of the chance that is decided by, the embedding classifier's in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """A scale beside the one in use, both on verdicts of prompts that the new one did not see."""

    judge: str
    scale: JudgeScale
    old: Figures
    new: Figures
    better: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class _Rows:
    """Verdicts as columns."""

    z: Floats
    tasks: NDArray[np.str_]
    beside: Floats
    good: Floats
    weight: Floats
    group: NDArray[np.int64]  # the same prompt may not stand on both sides of a fold

    def __getitem__(self, chosen: NDArray[Any]) -> _Rows:
        return _Rows(
            self.z[chosen],
            self.tasks[chosen],
            self.beside[chosen],
            self.good[chosen],
            self.weight[chosen],
            self.group[chosen],
        )

    @property
    def enough(self) -> bool:
        """Whether a sigmoid can be fitted to them."""
        of_a_kind = int((self.good >= 0.5).sum())
        rare = min(of_a_kind, self.good.size - of_a_kind)
        return self.good.size >= LEAST and rare >= LEAST_OF_A_KIND


def verdict(
    classifier: str,
    signals: Mapping[str, float],
    *,
    good: float,
    prompt: bytes,
    weight: float = 1.0,
) -> Verdict | None:
    """From what was kept of an assessment; none where the judge had no part in it."""
    if LOGIT not in signals or "p_fast_embedding" not in signals:
        return None
    return Verdict(
        judge=judge_of(classifier),
        logit=signals[LOGIT],
        task=next((name.removeprefix(SAYS) for name in signals if name.startswith(SAYS)), ""),
        beside=signals["p_fast_embedding"],
        good=good,
        prompt=prompt,
        weight=weight,
    )


def newest_judge(verdicts: Sequence[Verdict]) -> str:
    """Whose verdicts count: those of the judge that spoke last. Logits of two cannot be mixed."""
    return verdicts[-1].judge


def recalibrate(verdicts: Sequence[Verdict], now: JudgeScale, *, seed: int = 0) -> Recalibrated:
    """A scale fitted to the verdicts of the judge that spoke last, oldest first, beside `now`.

    Raises `ConfigError` with a sentence when nothing can be learned from them.
    """
    judge = newest_judge(verdicts)
    rows = _rows([verdict for verdict in verdicts if verdict.judge == judge][-_MOST:])
    _refuse_too_few(rows, judge)
    chance = np.random.default_rng(seed)
    before, after = _said(now, rows), _held_out(rows, chance)
    change = log_losses(after, rows.good) - log_losses(before, rows.good)
    interval = mean_interval(change, rows.weight, _CONFIDENCE, chance)
    old, new, scale = _figures(before, rows), _figures(after, rows), _fit(rows, chance)
    better = interval[1] < 0 and new.both <= old.both
    return Recalibrated(
        judge=judge,
        scale=scale,
        old=old,
        new=new,
        better=better,
        sentence=_sentence(rows.good.size, old, new, interval, scale if better else None),
    )


def _rows(verdicts: Sequence[Verdict]) -> _Rows:
    prompts: dict[bytes, int] = {}
    return _Rows(
        z=np.asarray([v.logit for v in verdicts]),
        tasks=np.asarray([v.task for v in verdicts]),
        beside=np.asarray([v.beside for v in verdicts]),
        good=np.asarray([v.good for v in verdicts]),
        weight=np.asarray([v.weight for v in verdicts]),
        group=np.asarray([prompts.setdefault(v.prompt, len(prompts)) for v in verdicts]),
    )


def _refuse_too_few(rows: _Rows, judge: str) -> None:
    if rows.enough:
        return
    size, good = rows.good.size, int((rows.good >= 0.5).sum())
    if size < LEAST:
        raise ConfigError(
            f"Too few verdicts to calibrate {judge}: {size}, and {LEAST} are needed at least."
        )
    what = "good enough" if good > size / 2 else "not good enough"
    raise ConfigError(
        f"{judge} cannot be calibrated: in all but {min(good, size - good)} of {size} verdicts the fast "
        f"answer was {what}, and at least {LEAST_OF_A_KIND} of each kind are needed."
    )


# -- the fit ------------------------------------------------------------------------------------


def _fit(rows: _Rows, chance: np.random.Generator) -> JudgeScale:
    tasks = [str(task) for task in np.unique(rows.tasks)]
    own = [task for task in tasks if task and _asks_for_its_own(rows, rows.tasks == task, chance)]
    return JudgeScale(
        pooled=_platt(rows), tasks={task: _platt(rows[rows.tasks == task]) for task in own}
    )


def _platt(rows: _Rows) -> Platt:
    return fit_platt(rows.z, rows.good, rows.weight)


def _asks_for_its_own(rows: _Rows, task: NDArray[np.bool_], chance: np.random.Generator) -> bool:
    """Whether a sigmoid of its own tells held-out verdicts of the task better, beyond a standard error."""
    if not rows[task].enough:
        return False
    inside = rows[task]
    fold = _folds(rows, chance)
    gain = np.zeros(inside.good.size)
    for number in range(_FOLDS):
        seen, held = fold != number, fold[task] == number
        if not held.any() or not (seen & task).any():
            continue
        pooled, own = _platt(rows[seen]), _platt(rows[seen & task])
        z, good = inside.z[held], inside.good[held]
        gain[held] = log_losses(pooled(z), good) - log_losses(own(z), good)
    mean = float(np.average(gain, weights=inside.weight))
    return mean > float(gain.std()) / np.sqrt(gain.size)


def _folds(rows: _Rows, chance: np.random.Generator) -> NDArray[np.int64]:
    return chance.integers(_FOLDS, size=int(rows.group.max()) + 1)[rows.group]


def _held_out(rows: _Rows, chance: np.random.Generator) -> Floats:
    """For each row the chance that a scale says which saw none of its fold."""
    fold = _folds(rows, chance)
    said = np.zeros_like(rows.z)
    for number in np.unique(fold):
        unseen = fold == number
        seen = rows[~unseen] if not unseen.all() else rows
        said[unseen] = _said(_fit(seen, chance), rows[unseen])
    return said


def _said(scale: JudgeScale, rows: _Rows) -> Floats:
    pairs = zip(rows.z.tolist(), rows.tasks.tolist(), strict=True)
    return np.asarray([scale(z, task) for z, task in pairs])


# -- what it is worth ---------------------------------------------------------------------------


def _figures(said: Floats, rows: _Rows) -> Figures:
    both = mean_chance(said, rows.beside)
    own, combined = log_losses(said, rows.good), log_losses(both, rows.good)
    return Figures(
        loss=float(np.average(own, weights=rows.weight)),
        ece=ece(said, rows.good),
        both=float(np.average(combined, weights=rows.weight)),
    )


def _sentence(
    size: int, old: Figures, new: Figures, interval: tuple[float, float], kept: JudgeScale | None
) -> str:
    found = (
        f"on {size} verdicts that it did not see, log loss {old.loss:.4f} before and {new.loss:.4f} "
        f"after (difference {new.loss - old.loss:+.4f}, 90 % of resamplings between "
        f"{interval[0]:+.4f} and {interval[1]:+.4f}), calibration error {old.ece:.3f} and {new.ece:.3f}, "
        f"log loss of both classifiers together {old.both:.4f} and {new.both:.4f}"
    )
    if kept is None:
        return (
            f"The judge's new calibration is not shown to be better, so the old one stays: {found}."
        )
    own = ", ".join(sorted(kept.tasks)) or "no task"
    return f"The judge's new calibration is better: {found}. Calibrated by itself: {own}."
