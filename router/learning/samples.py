"""What the store knows of each judged request: the rows that tuning and retraining learn from."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from classifier.draft import SIGNALS, DraftSignals
from router.learning.records import WEIGHTS, Tier, tier
from router.schema import open_to_read


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """One request that `auto` judged, with what is known of its quality (0..1; None: nothing).

    A comparison gives both qualities, as shares of the verdicts won; a preference gives 1 to one
    tier and 0 to the other; any other feedback is about the tier that answered. What was said
    outright outweighs what was inferred, the newest word the older ones.
    """

    id: str
    created: float  # Unix time, seconds
    task: str
    p_fast: float
    threshold: float
    route: str
    fast_quality: float | None
    deep_quality: float | None
    weight: float  # how much the qualities say: see records.WEIGHTS
    rating: float | None  # what the client said outright of the answer that it was shown
    fast_usd: float | None  # what the legs of a tier cost, where any ran and the price is known
    deep_usd: float | None
    usd: float | None  # the whole request, without what a comparison cost
    input_tokens: int
    output_tokens: int
    embedding: bytes
    form: bytes
    instruction: bytes
    features: str
    classifier: str
    signals: Mapping[str, float]
    draft_mean: float | None
    draft_minimum: float | None
    draft_tokens: int
    experiment: str
    asked_task: str
    p_prompt: float | None  # the chance before the draft was heard
    fast_until: float | None  # the highest threshold at which the fast tier answers; None: `p_fast`
    draft_signals: DraftSignals | None  # of the whole first sentence; None: it was not heard
    draft_judge: str  # version of the judge of drafts that was in force
    draft_model: str  # whose draft it was; empty: none began
    judged_task: str  # the task that the classifier saw; empty: not known
    named_task: str  # the task as a client corrected it, else as it asked for it
    asked_threshold: float | None  # the client's own, which no tuning moves


_SOMETIMES: Final = 0.05  # a judge that is in time less often has been switched off
_SAME: Final = (  # columns that are taken over as they are
    *("id", "created", "task", "p_fast", "threshold", "route", "input_tokens", "output_tokens"),
    *("embedding", "form", "instruction", "features", "classifier"),
    *("draft_mean", "draft_minimum", "draft_tokens", "experiment", "asked_task"),
    *("p_prompt", "fast_until", "draft_judge", "judged_task", "asked_threshold"),
)
_OUTCOMES: Final = f"""
SELECT {", ".join(_SAME)}, cost_usd, signals, draft_signals FROM outcomes
WHERE p_fast IS NOT NULL AND threshold IS NOT NULL AND created >= ? ORDER BY created, id
"""  # noqa: S608 - names of columns
_BESIDE: Final = """
SELECT {columns} FROM {table} AS t JOIN outcomes ON outcomes.id = t.outcome_id
WHERE outcomes.created >= ? ORDER BY {order}
"""
_LEGS: Final = _BESIDE.format(
    columns="t.outcome_id, t.role, t.model, t.local, t.stands_in_for, t.cost_usd, t.first_event",
    table="legs",
    order="t.outcome_id, t.position",
)
_FEEDBACK: Final = _BESIDE.format(
    columns="t.outcome_id, t.kind, t.value, t.leg, t.task",
    table="feedback",
    order="t.created, t.rowid",
)
_COMPARISONS: Final = _BESIDE.format(
    columns="t.outcome_id, t.fast_quality, t.deep_quality, t.deep_usd",
    table="comparisons",
    order="t.created, t.rowid",
)


@dataclass(frozen=True, slots=True)
class _Quality:
    fast: float | None = None
    deep: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Beside:
    """The rows of one outcome in the other tables, oldest first."""

    legs: Sequence[sqlite3.Row]
    feedback: Sequence[sqlite3.Row]
    comparisons: Sequence[sqlite3.Row]


def read_samples(path: Path, since: float) -> list[SampleRow]:
    """Every request that `auto` judged since then (Unix time), oldest first.

    Reads only: a server may be writing to the file. Raises `ConfigError` when it is not a store
    of this schema.
    """
    with closing(open_to_read(path)) as connection:
        connection.execute("BEGIN")  # one moment for all four reads
        legs, feedback, comparisons = (
            _by_outcome(connection.execute(query, (since,)))
            for query in (_LEGS, _FEEDBACK, _COMPARISONS)
        )
        return [
            _sample(row, _Beside(legs[row["id"]], feedback[row["id"]], comparisons[row["id"]]))
            for row in connection.execute(_OUTCOMES, (since,))
        ]


def of_one_classifier(rows: Sequence[SampleRow]) -> list[SampleRow]:
    """Those of the classifier that judged most of them: scores of two cannot be compared.

    Where a judge works beside the embedding classifier, the requests for which it was late belong
    to it too: a threshold has to do for both.
    """
    counts = Counter(row.classifier for row in rows)
    name = counts.most_common(1)[0][0] if rows else ""
    with_judge = [
        other
        for other, count in counts.items()
        if other.endswith(f"+{name}") and count >= _SOMETIMES * counts[name]
    ]
    name = max(with_judge, key=lambda other: counts[other], default=name)
    places = [at for at, row in enumerate(rows) if row.classifier == name]
    if not places:
        return []
    during = rows[places[0] : places[-1] + 1]
    return [row for row in during if f"+{name}".endswith(f"+{row.classifier}")]


def _by_outcome(rows: Iterable[sqlite3.Row]) -> defaultdict[str, list[sqlite3.Row]]:
    found: defaultdict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        found[row["outcome_id"]].append(row)
    return found


def _sample(row: sqlite3.Row, beside: _Beside) -> SampleRow:
    answered = _answered(beside.legs)
    quality = _quality(beside, answered)
    compared_usd = next((c["deep_usd"] for c in reversed(beside.comparisons)), None)
    deep_usd = _dollars(beside.legs, "deep")
    facts: dict[str, Any] = {name: row[name] for name in _SAME}
    return SampleRow(
        **facts,
        signals=json.loads(row["signals"]),
        fast_quality=quality.fast,
        deep_quality=quality.deep,
        weight=quality.weight,
        rating=_rating(beside.feedback, answered),
        fast_usd=_dollars(beside.legs, "fast"),
        deep_usd=_number(compared_usd) if deep_usd is None else deep_usd,
        usd=_number(row["cost_usd"]),
        draft_signals=_signals(json.loads(row["draft_signals"])),
        draft_model=_draft_model(beside.legs),
        named_task=_corrected(beside.feedback) or row["asked_task"],
    )


def _answered(legs: Sequence[sqlite3.Row]) -> Tier:
    """The tier of the answer: deep as soon as a deep model said some of it."""
    spoke = [_tier(leg) for leg in legs if leg["first_event"] is not None]
    return "deep" if "deep" in spoke else "fast" if spoke else ""


def _quality(beside: _Beside, answered: Tier) -> _Quality:
    for comparison in reversed(beside.comparisons):
        if comparison["fast_quality"] is not None:
            return _Quality(comparison["fast_quality"], comparison["deep_quality"])
    said = _word(beside.feedback)
    if said is None:
        return _Quality()
    weight, value, about = WEIGHTS[said["kind"]], said["value"], said["leg"] or answered
    other = 1.0 - value if said["kind"] == "preferred" else None
    if about == "fast":
        return _Quality(value, other, weight)
    return _Quality(other, value, weight) if about == "deep" else _Quality()


def _rating(feedback: Sequence[sqlite3.Row], answered: Tier) -> float | None:
    said = _word(feedback)
    if said is None or WEIGHTS[said["kind"]] < 1.0:
        return None
    if said["kind"] == "preferred" and said["leg"] != answered:
        return 1.0 - said["value"]
    return said["value"]


def _word(feedback: Sequence[sqlite3.Row]) -> sqlite3.Row | None:
    """The one that counts: the weightiest kind, of these the newest."""
    verdicts = (row for row in reversed(feedback) if WEIGHTS[row["kind"]])
    return max(verdicts, key=lambda row: WEIGHTS[row["kind"]], default=None)


def _corrected(feedback: Sequence[sqlite3.Row]) -> str:
    """What the request really was, by the newest word on it."""
    return next((row["task"] for row in reversed(feedback) if row["task"]), "")


def _signals(named: dict[str, float]) -> DraftSignals | None:
    """Those that this version knows; what it does not find counts as usual."""
    known = {name: value for name, value in named.items() if name in SIGNALS}
    return DraftSignals(**known) if known else None


def _draft_model(legs: Sequence[sqlite3.Row]) -> str:
    return next((leg["model"] for leg in legs if leg["role"] == "draft"), "")


def _dollars(legs: Sequence[sqlite3.Row], wanted: Tier) -> float | None:
    costs = [leg["cost_usd"] for leg in legs if _tier(leg) == wanted]
    if not costs or None in costs:
        return None
    return sum(float(cost) for cost in costs)


def _tier(leg: sqlite3.Row) -> Tier:
    return tier(local=bool(leg["local"]), stands_in_for=leg["stands_in_for"])


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
