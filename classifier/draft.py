"""What the draft's first sentence tells of itself: the second look at P(fast is good enough). Pure.

On one kind of question a prompt says little about whether the fast tier will fail; the draft's own
log-probabilities say more, and come free with it. Each signal is read against what is usual for this
engine and task, and turned so that more means surer; no weight is negative, so a surer draft never
lowers the chance. What is missing counts as usual: without any signal the prompt's chance stands.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from statistics import pstdev
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import EPSILON, logit, sigmoid
from models.stream import TokenLogprob

Doubles = NDArray[np.float64]

ALTERNATIVES = 5  # likeliest tokens listed at each place: what `entropy` is read from
OPENING = 4  # tokens at the start
WEAKEST = 3
SIGNALS: Mapping[str, float] = {  # name -> which way is surer
    "mean": 1.0,
    "total": 1.0,
    "minimum": 1.0,
    "weakest": 1.0,
    "opening": 1.0,
    "deviation": -1.0,
    "entropy": -1.0,
    "hedges": -1.0,
}
LIMIT = 3.0  # spreads from the usual: one odd token may not decide alone
LEAST_SPREAD = 1e-2
RIDGE = 3.0  # pull towards the prompt's chance alone, in rows: little data changes little
FEWEST = 50  # rows to fit on, and a tenth of them of each kind
_FLOOR = -20.0  # an engine may write -inf or -9999
_HEDGE = re.compile(
    r"(?i)\b(?:i(?:'m| am)? (?:not (?:sure|certain|aware)|unsure|sorry|apologi[sz]e|afraid)|i (?:don't|do not|cannot|can't) "
    r"|as an ai\b|(?:unclear|impossible to (?:say|tell))|it depends|not enough information|no (?:definitive|specific) answer)"
)


class TooFewDrafts(Exception):
    """The log cannot tell right drafts from wrong ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSignals:
    """How sure a draft is of its first sentence; None where the engine said nothing."""

    mean: float | None = None  # log-probability per token
    total: float | None = None  # of the whole sentence: minus the root, for it grows with length
    minimum: float | None = None  # of the least likely token
    weakest: float | None = None  # mean of the least likely ones
    opening: float | None = None  # mean of the first ones
    deviation: float | None = None  # standard deviation
    entropy: float | None = None  # of the listed alternatives, nats per token
    hedges: float | None = None  # 1.0: it says that it is not sure, or refuses

    @classmethod
    def of(cls, tokens: Sequence[TokenLogprob]) -> DraftSignals:
        """Read off the first sentence's tokens; `entropy` needs their alternatives."""
        if not tokens:
            return cls()
        found = [max(token.logprob, _FLOOR) for token in tokens]
        listed = [token.top for token in tokens if len(token.top) > 1]
        text = "".join(token.token for token in tokens)
        return cls(
            mean=_mean(found),
            total=-math.sqrt(-min(sum(found), 0.0)),
            minimum=min(found),
            weakest=_mean(sorted(found)[:WEAKEST]),
            opening=_mean(found[:OPENING]),
            deviation=pstdev(found),
            entropy=_mean([entropy(top) for top in listed]),
            hedges=float(_HEDGE.search(text) is not None),
        )

    def named(self) -> dict[str, float | None]:
        """Each signal by its name in SIGNALS."""
        return {
            "mean": self.mean,
            "total": self.total,
            "minimum": self.minimum,
            "weakest": self.weakest,
            "opening": self.opening,
            "deviation": self.deviation,
            "entropy": self.entropy,
            "hedges": self.hedges,
        }


def entropy(top: Sequence[tuple[str, float]]) -> float:
    """Nats, of the listed alternatives and of all others as one: a lower bound."""
    masses = [math.exp(max(logprob, _FLOOR)) for _, logprob in top]
    masses.append(max(1.0 - sum(masses), 0.0))
    return -sum(mass * math.log(mass) for mass in masses if mass > 0.0)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """Mean and spread of one signal in drafts of one engine for one task."""

    mean: float
    spread: float

    def sure(self, value: float | None, direction: float) -> float:
        """Spreads on the sure side of the mean; 0 when the signal is missing."""
        if value is None or not math.isfinite(value):
            return 0.0
        return max(-LIMIT, min(LIMIT, direction * (value - self.mean) / self.spread))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One draft whose worth is known: the prompt's chance, its signals, how good it was (0..1)."""

    task: str
    p_prompt: float
    signals: DraftSignals
    good: float
    weight: float = 1.0  # a hint counts less than a verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftJudge:
    """P(fast is good enough) from the prompt's chance and the draft's signals."""

    version: str
    learned_on: str  # whose drafts the weights were learned on
    weights: Mapping[str, float]
    usual: Mapping[str, Mapping[str, Usual]]  # task -> signal
    bias: float = 0.0
    prompt: float = 1.0  # weight of the prompt's logit

    def p_fast(self, p_prompt: float, signals: DraftSignals, task: str) -> float:
        """The prompt's chance, moved by the draft.

        It stands as it is when the engine gave no signals, or nothing is known of its drafts for
        this task.
        """
        usual = self.usual.get(task)
        if signals.mean is None or not usual:
            return p_prompt
        sure = _sure(signals, usual)
        moved = sum(weight * sure[name] for name, weight in self.weights.items())
        return float(sigmoid(self.bias + self.prompt * float(logit(p_prompt)) + moved))

    def for_engine(self, seen: Mapping[str, Sequence[DraftSignals]]) -> DraftJudge:
        """The same weights for an engine whose drafts, by task, have been seen.

        No draft needs to have been judged for that. Tasks of which too few were seen are left to
        the prompt.
        """
        return replace(self, usual=usual_of(seen))


def usual_of(seen: Mapping[str, Sequence[DraftSignals]]) -> dict[str, dict[str, Usual]]:
    """What is usual per task and signal, where enough drafts show it."""
    found = {task: _usual([signals.named() for signals in drafts]) for task, drafts in seen.items()}
    return {task: usual for task, usual in found.items() if usual}


def _usual(drafts: Sequence[Mapping[str, float | None]]) -> dict[str, Usual]:
    found: dict[str, Usual] = {}
    for name in SIGNALS:
        values = [v for draft in drafts if (v := draft[name]) is not None and math.isfinite(v)]
        if len(values) >= FEWEST:
            column = np.array(values, np.float64)
            spread = max(float(column.std()), LEAST_SPREAD)
            found[name] = Usual(mean=float(column.mean()), spread=spread)
    return found


def _sure(signals: DraftSignals, usual: Mapping[str, Usual]) -> dict[str, float]:
    said = signals.named()
    return {
        name: usual[name].sure(said[name], direction) if name in usual else 0.0
        for name, direction in SIGNALS.items()
    }


def fit(
    rows: Sequence[Draft],
    *,
    version: str,
    learned_on: str,
    trust_prompt: bool = False,
    usual: Mapping[str, Mapping[str, Usual]] | None = None,
) -> DraftJudge:
    """The judge of one engine's drafts. Raises TooFewDrafts when the rows cannot carry it.

    trust_prompt: the prompt's chance is taken as it is. For weights that are to serve another
    engine, whose classifier is as right or wrong in its own way.
    usual: where more drafts of this engine were seen than were judged; None: as in the rows.
    """
    good = np.array([row.good for row in rows], np.float64)
    if len(rows) < FEWEST or min(good.sum(), (1 - good).sum()) < FEWEST / 10:
        raise TooFewDrafts(
            f"{len(rows)} judged drafts, {good.sum():.0f} of them good: at least {FEWEST} are needed, "
            f"with {FEWEST // 10} good and {FEWEST // 10} bad ones"
        )
    seen: dict[str, list[DraftSignals]] = {}
    for row in rows:
        seen.setdefault(row.task, []).append(row.signals)
    usual = usual_of(seen) if usual is None else usual
    sure = [[*_sure(row.signals, usual.get(row.task, {})).values()] for row in rows]
    weights = fit_weights(
        logit([row.p_prompt for row in rows]),
        np.array(sure),
        good,
        trust_prompt=trust_prompt,
        share=np.array([row.weight for row in rows]),
    )
    return DraftJudge(
        version=version,
        learned_on=learned_on,
        weights=dict(zip(SIGNALS, weights.signals, strict=True)),
        usual=usual,
        bias=weights.bias,
        prompt=weights.prompt,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of a logistic regression on the prompt's logit and the signals; only the bias may be negative."""

    bias: float
    prompt: float
    signals: list[float]

    def chances(self, prompt: Doubles, sure: Doubles) -> Doubles:
        """Of rows of prompt logits and signals."""
        return sigmoid(self.bias + self.prompt * prompt + sure @ np.array(self.signals))


def fit_weights(
    prompt: Doubles,
    sure: Doubles,
    good: Doubles,
    *,
    trust_prompt: bool = False,
    share: Doubles | None = None,
) -> Weights:
    """Logistic regression whose ridge pulls towards the prompt's chance as it is.

    share: how much each row counts; None: all alike.
    A weight that would be negative is set to zero, the worst first, and the rest fitted again.
    """
    fixed = 0 if trust_prompt else 2
    design = np.column_stack([np.ones_like(prompt), prompt, sure])[:, 2 - fixed :]
    offset = prompt if trust_prompt else np.zeros_like(prompt)
    aim, pull = np.zeros(design.shape[1]), np.full(design.shape[1], RIDGE)
    if not trust_prompt:
        aim[1], pull[0] = 1.0, EPSILON
    bounded = max(fixed - 1, 0)
    share = np.ones_like(good) if share is None else share
    kept = np.ones(design.shape[1], bool)
    while True:
        weights = np.zeros(design.shape[1])
        weights[kept] = _newton(design[:, kept], offset, good, share, aim[kept], pull[kept])
        worst = bounded + int(np.argmin(weights[bounded:]))
        if weights[worst] >= 0:
            break
        kept[worst] = False
    bias, weight = (0.0, 1.0) if trust_prompt else weights[:2].tolist()
    return Weights(bias=bias, prompt=weight, signals=weights[fixed:].tolist())


def _newton(
    design: Doubles,
    offset: Doubles,
    good: Doubles,
    share: Doubles,
    aim: Doubles,
    pull: Doubles,
) -> Doubles:
    weights = aim.copy()
    for _ in range(50):
        p = sigmoid(offset + design @ weights)
        slope = design.T @ (share * (p - good)) + pull * (weights - aim)
        curvature = design.T @ (design * (share * p * (1 - p))[:, None]) + np.diag(pull)
        step = np.linalg.solve(curvature, slope)
        weights -= np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < EPSILON:
            break
    return weights


def load(data: bytes) -> DraftJudge:
    """A judge from its JSON file."""
    found = cast("dict[str, Any]", json.loads(data))
    usual = cast("dict[str, dict[str, dict[str, float]]]", found["usual"])
    return DraftJudge(
        version=found["version"],
        learned_on=found["learned_on"],
        weights=found["weights"],
        usual={
            task: {name: Usual(**values) for name, values in signals.items()}
            for task, signals in usual.items()
        },
        bias=found["bias"],
        prompt=found["prompt"],
    )


@cache
def load_shipped() -> DraftJudge:
    """The judge in classifier/data, read once."""
    return load(files("classifier").joinpath("data/draft.json").read_bytes())
