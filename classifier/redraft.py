"""Learning from traffic what a draft's own words are worth, kept only if it is shown to be better.

The weights that ship were learned on one engine; another one is sure of itself in its own way. So they
are fitted again on the drafts of this engine whose worth is known, and judged on prompts that they did
not see, by log loss, beside the judge in use. What is usual for the engine is read off all its drafts,
judged or not. Only the drafts of the engine that spoke last count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from classifier.draft import (
    SIGNALS,
    Draft,
    DraftJudge,
    DraftSignals,
    TooFewDrafts,
    Usual,
    fit,
    load,
    usual_of,
)
from classifier.measures import log_losses, mean_interval
from classifier.retrain import LEAST, LEAST_OF_A_KIND
from models.errors import ConfigError

Doubles = NDArray[np.float64]

_MOST: Final = 20_000  # the newest
_FOLDS: Final = 5
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One draft whose first sentence was heard, and what was said of it (None: nothing)."""

    task: str
    p_prompt: float
    signals: DraftSignals
    threshold: float  # that it was held against
    model: str  # whose draft it is
    prompt: bytes  # tells prompts apart; nothing else is read from it
    good: float | None = None  # whether the fast tier was enough, 0..1
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrafted:
    """A judge beside the one in use, both on drafts that the new one did not see."""

    judge: DraftJudge
    samples: int
    prompt_loss: float  # log loss by the prompt alone
    old_loss: float
    new_loss: float
    low: float  # of new less old, 90 % between them
    high: float
    heard: int  # drafts of this engine in the log
    to_deep: int  # of them, those that only the new judge puts under their threshold
    to_fast: int  # ... and those that only the old one does

    @property
    def better(self) -> bool:
        """Whether it is shown to be."""
        return self.high < 0

    @property
    def sentence(self) -> str:
        """What it is worth, and what it would have changed."""
        found = (
            f"on {self.samples} drafts that it did not see, log loss {self.old_loss:.4f} before and "
            f"{self.new_loss:.4f} after (difference {self.new_loss - self.old_loss:+.4f}, 90 % of "
            f"resamplings between {self.low:+.4f} and {self.high:+.4f}); {self.prompt_loss:.4f} by the "
            "prompt alone"
        )
        if not self.better:
            return (
                "The refitted judge of drafts is not shown to be better, so the old one stays: "
                f"{found}."
            )
        return (
            f"The refitted judge of drafts is better: {found}. By it, of {self.heard:,} drafts of "
            f"{self.judge.learned_on} {self.to_deep:,} more fall under their threshold, and "
            f"{self.to_fast:,} no longer do."
        )


def redraft(drafts: Sequence[Heard], now: DraftJudge, *, at: datetime, seed: int = 0) -> Redrafted:
    """A judge fitted to these drafts, oldest first, beside `now`.

    Raises `ConfigError` with a sentence when nothing can be learned from them.
    """
    if not drafts:
        raise ConfigError("No draft's first sentence was heard, so its judge has nothing to learn.")
    model = drafts[-1].model
    heard = [draft for draft in drafts if draft.model == model][-_MOST:]
    usual = _usual(heard)
    known = [draft for draft in heard if draft.task in usual and draft.signals.mean is not None]
    judged = [draft for draft in known if draft.good is not None]
    _refuse_too_few(judged, model)
    version = f"{now.version.partition('+')[0]}+{at:%Y%m%d.%H%M}"

    def learned(rows: Sequence[Heard]) -> DraftJudge:
        return fit([_row(row) for row in rows], version=version, learned_on=model, usual=usual)

    chance = np.random.default_rng(seed)
    old, new = replace(now, usual=usual), learned(judged)
    good = np.array([draft.good for draft in judged], np.float64)
    weight = np.array([draft.weight for draft in judged])
    before = log_losses(_said(old, judged), good)
    after = log_losses(_held_out(learned, old, judged, chance), good)
    prompt = log_losses([draft.p_prompt for draft in judged], good)
    low, high = mean_interval(after - before, weight, _CONFIDENCE, chance)
    floor = np.array([draft.threshold for draft in known])
    was, would = _said(old, known) >= floor, _said(new, known) >= floor
    return Redrafted(
        judge=new,
        samples=len(judged),
        prompt_loss=float(np.average(prompt, weights=weight)),
        old_loss=float(np.average(before, weights=weight)),
        new_loss=float(np.average(after, weights=weight)),
        low=low,
        high=high,
        heard=len(heard),
        to_deep=int((was & ~would).sum()),
        to_fast=int((~was & would).sum()),
    )


def dumped(judge: DraftJudge) -> bytes:
    """The judge's file, as `classifier.draft.load` reads it."""
    return json.dumps(asdict(judge), indent=1).encode() + b"\n"


def loaded(data: bytes) -> DraftJudge:
    """The same from the file. Raises `ValueError` for what no fit writes."""
    try:
        judge = load(data)
        usual = [u for task in judge.usual.values() for u in task.values()]
        numbers = [judge.bias, *judge.weights.values(), judge.prompt, *(u.mean for u in usual)]
        sound = bool(np.isfinite(numbers).all()) and all(u.spread > 0 for u in usual)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not as `headstart tune --retrain` writes it ({error})") from error
    unknown = set(judge.weights) - set(SIGNALS)
    if unknown:
        raise ValueError(f"it weighs `{min(unknown)}`, which this version does not read")
    if not sound or min(judge.prompt, *judge.weights.values()) < 0:
        raise ValueError("a number in it cannot be one that was fitted")
    return judge


def _usual(heard: Sequence[Heard]) -> Mapping[str, Mapping[str, Usual]]:
    seen: dict[str, list[DraftSignals]] = {}
    for draft in heard:
        seen.setdefault(draft.task, []).append(draft.signals)
    return usual_of(seen)


def _refuse_too_few(judged: Sequence[Heard], model: str) -> None:
    size, good = len(judged), sum((draft.good or 0.0) >= 0.5 for draft in judged)
    if size < LEAST:
        raise ConfigError(
            f"Too little data for the judge of drafts: {size} judged drafts of {model}, and {LEAST} are "
            f"needed, so {LEAST - size} more."
        )
    few = min(good, size - good)
    if few < LEAST_OF_A_KIND:
        what = "good enough" if good > size / 2 else "not good enough"
        raise ConfigError(
            f"One class only for the judge of drafts: in all but {few} of {size} the draft was {what}, "
            f"and at least {LEAST_OF_A_KIND} of each kind are needed, so {LEAST_OF_A_KIND - few} more."
        )


def _row(draft: Heard) -> Draft:
    return Draft(
        task=draft.task,
        p_prompt=draft.p_prompt,
        signals=draft.signals,
        good=draft.good or 0.0,
        weight=draft.weight,
    )


def _said(judge: DraftJudge, drafts: Sequence[Heard]) -> Doubles:
    return np.array([judge.p_fast(d.p_prompt, d.signals, d.task) for d in drafts], np.float64)


def _held_out(
    learned: Callable[[Sequence[Heard]], DraftJudge],
    old: DraftJudge,
    judged: Sequence[Heard],
    chance: np.random.Generator,
) -> Doubles:
    """For each draft the chance by weights which saw none of its fold; a prompt is in one fold only."""
    prompts: dict[bytes, int] = {}
    group = np.array([prompts.setdefault(draft.prompt, len(prompts)) for draft in judged])
    fold = chance.integers(_FOLDS, size=len(prompts))[group]
    places = list(zip(judged, fold.tolist(), strict=True))
    said = _said(old, judged)
    for number in range(_FOLDS):
        try:
            judge = learned([draft for draft, at in places if at != number])
        except TooFewDrafts:
            continue  # the old judge speaks for this fold
        said[fold == number] = _said(judge, [draft for draft, at in places if at == number])
    return said
