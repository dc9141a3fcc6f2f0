"""What the added legs of a relayed answer cost, against asking the deep model alone. Pure.

The same questions are asked in every way; only those that every way answered are compared, so a
way that fails on long questions does not look cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from models.chat import Merge
from models.stream import Usage

Way: TypeAlias = Merge | Literal["deep"]
MERGES: tuple[Merge, ...] = get_args(Merge)
WAYS: tuple[Way, ...] = ("deep", *MERGES)
_ROLES: Mapping[bool, tuple[str, ...]] = {True: ("upgrade",), False: ("draft", "upgrade")}
_RESAMPLINGS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LegCost:
    """One leg as it was, or would have been, billed.

    `stand_in` names the engine's model where it took the place of `model`.
    """

    role: str
    model: str  # `provider/model`
    usage: Usage
    usd: Decimal | None  # None: the price is not known
    transcript_chars: int = 0
    finish: str = "stop"
    error: str = ""
    stand_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question asked in one way. `fault`: why there was no answer at all."""

    way: Way
    question: str
    legs: tuple[LegCost, ...] = ()
    first_shown: float | None = None  # seconds
    fault: str = ""

    @property
    def usd(self) -> Decimal | None:
        """Dollars of all legs; None when any price is unknown."""
        known = [leg.usd for leg in self.legs if leg.usd is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.legs) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Dollars of a way over dollars of deep alone, and where 95 % of resamplings lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WayCost:
    """What one way cost, over all compared requests."""

    way: Way
    requests: int
    draft: Usage
    upgrade: Usage
    continued: int  # answers whose draft was shown, so that the upgrade went on from it
    cut_short: int  # answers that reached the token limit
    usd_median: Decimal | None
    usd_total: Decimal | None
    ratio: Ratio | None  # None: a price is unknown, or deep alone costs nothing
    first_shown_p50: float
    first_shown_p90: float

    def per_request(self, tokens: int) -> float:
        """A total of this row as a mean."""
        return tokens / self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The rows, deep alone first; no rows when nothing can be compared.

    `left_out`: how many requests could not be used, by way and reason. `questions`: how many were
    compared, of so many `asked` in every way. `models`: the deep models; `stand_in`: who played
    them, where somebody did.
    """

    rows: tuple[WayCost, ...] = ()
    questions: int = 0
    asked: int = 0
    models: tuple[str, ...] = ()
    stand_in: str = ""
    left_out: Mapping[tuple[Way, str], int] = field(default_factory=dict[tuple[Way, str], int])


def compare(samples: Sequence[Sample]) -> Comparison:
    """Compare the ways over the questions that each of them answered with the same deep model.

    Questions that were not asked in every way (the run was interrupted) do not count. A way that
    never answered is left out as a whole.
    """
    ways: list[Way] = [way for way in WAYS if any(sample.way == way for sample in samples)]
    if "deep" not in ways:
        return Comparison()
    whole = _asked_in_every(ways, samples)
    reasons: list[dict[Way, str]] = [{way: _unfit(asked, way) for way in ways} for asked in whole]
    refused: list[tuple[Way, str]] = [(way, why) for f in reasons for way, why in f.items() if why]
    left_out = Counter(refused)
    answering: list[Way] = [way for way in ways if any(not found[way] for found in reasons)]
    fit = [
        asked
        for asked, found in zip(whole, reasons, strict=True)
        if not any(found[way] for way in answering)
    ]
    if len(answering) < 2 or answering[0] != "deep" or not fit:
        return Comparison(asked=len(whole), left_out=left_out)
    alone = [asked["deep"] for asked in fit]
    legs = [sample.legs[-1] for sample in alone]
    return Comparison(
        rows=tuple(_row(way, [asked[way] for asked in fit], alone) for way in answering),
        questions=len(fit),
        asked=len(whole),
        models=tuple(dict.fromkeys(leg.model for leg in legs)),
        stand_in=legs[0].stand_in,
        left_out=left_out,
    )


def _asked_in_every(ways: Sequence[Way], samples: Sequence[Sample]) -> list[dict[Way, Sample]]:
    """The samples of each question that was asked in every way."""
    by_question: dict[str, dict[Way, Sample]] = {}
    for sample in samples:
        by_question.setdefault(sample.question, {})[sample.way] = sample
    return [asked for asked in by_question.values() if len(asked) == len(ways)]


def _unfit(asked: Mapping[Way, Sample], way: Way) -> str:
    """Why this way's answer cannot be compared; "" when it can."""
    sample = asked[way]
    if sample.fault:
        return sample.fault
    roles = tuple(leg.role for leg in sample.legs)
    if not roles or roles[-1] == "draft":
        return "the draft answered alone"
    if roles != _ROLES[way == "deep"]:
        broken = next((leg.error for leg in sample.legs if leg.error and leg.role != "draft"), "")
        return broken or f"the legs were {', '.join(roles)}"
    upgrade = sample.legs[-1]
    if upgrade.error or upgrade.finish not in {"stop", "length"}:
        return upgrade.error or f"the deep model ended with {upgrade.finish!r}"
    alone = asked["deep"].legs
    if alone and alone[-1].model != upgrade.model:
        return f"{upgrade.model} answered, where deep alone was {alone[-1].model}"
    return ""


def _row(way: Way, samples: Sequence[Sample], alone: Sequence[Sample]) -> WayCost:
    upgrades = [sample.legs[-1] for sample in samples]
    dollars = _known([sample.usd for sample in samples])
    shown = [sample.first_shown for sample in samples if sample.first_shown is not None]
    p50, p90 = np.percentile(shown or [0.0], [50, 90])
    return WayCost(
        way=way,
        requests=len(samples),
        draft=sum((leg.usage for sample in samples for leg in sample.legs[:-1]), Usage()),
        upgrade=sum((leg.usage for leg in upgrades), Usage()),
        continued=sum(leg.transcript_chars > 0 for leg in upgrades),
        cut_short=sum(leg.finish == "length" for leg in upgrades),
        usd_median=None if dollars is None else median(dollars),
        usd_total=None if dollars is None else sum(dollars, Decimal(0)),
        ratio=_ratio(dollars, _known([sample.usd for sample in alone])),
        first_shown_p50=float(p50),
        first_shown_p90=float(p90),
    )


def _known(dollars: Sequence[Decimal | None]) -> list[Decimal] | None:
    known = [usd for usd in dollars if usd is not None]
    return known if len(known) == len(dollars) else None


def _ratio(way: list[Decimal] | None, alone: list[Decimal] | None) -> Ratio | None:
    """The ratio of the totals; questions are drawn again, with both their answers, for its range."""
    if way is None or alone is None or not sum(alone):
        return None
    costs, base = np.array(way, np.float64), np.array(alone, np.float64)
    draws = np.random.default_rng(0).integers(0, len(costs), (_RESAMPLINGS, len(costs)))
    ratios: NDArray[np.float64] = costs[draws].sum(axis=1) / base[draws].sum(axis=1)
    low, high = (float(np.percentile(ratios, percent)) for percent in (2.5, 97.5))
    return Ratio(value=float(sum(way) / sum(alone)), low=low, high=high)
