"""Does the draft know better than the prompt? `python -m scripts.bench.routing_draft`

AUROC of "the fast tier will fail" inside one benchmark, mean over benchmarks, from committed tables of
real drafts (scripts/bench/drafts): by the prompt alone, with what the draft's first sentence tells for
free, and with what costs more requests. Each figure is on questions whose fold, or whose whole
benchmark, the judge has not seen. Intervals: 95 % of bootstrap resamples of the questions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from classifier import draft
from classifier.calibrate import logit
from classifier.draft import SIGNALS, Draft, DraftJudge, DraftSignals
from classifier.measures import auroc, ece

Doubles = NDArray[np.float64]
Groups = NDArray[Any]
Mask = NDArray[np.bool_]
Draws = Sequence[NDArray[np.int_]]

TABLES = Path("scripts/bench/drafts")
SHIPPED = Path("classifier/data/draft.json")
VERSION = "draft-v2"  # raise it with every judge that ships
DEAR: Mapping[str, float] = {"agreement": 1.0, "p_true": 1.0, "choice_gap": 1.0}
PARTS: Mapping[str, Sequence[str]] = {
    "no alternatives listed": [name for name in SIGNALS if name != "entropy"],
    "the mean alone": ["mean"],
}
FEWEST = 10  # right and wrong drafts that a benchmark needs to count
SURE = 1.645  # and this many standard errors more right ones than by guessing: whether a guess is right, nobody can tell
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """One engine's drafts."""

    model: str
    columns: Mapping[str, Doubles]
    benchmarks: Groups
    folds: Groups
    right: Mask
    guesses: Mapping[str, float]  # benchmark -> how often a guess is right

    @classmethod
    def read(cls, path: Path) -> Drafts:
        """From a table of `scripts.training.draft_table`."""
        with np.load(path, allow_pickle=False) as file:
            meta = cast("dict[str, Any]", json.loads(str(file["meta"])))
            numbers = file["numbers"].astype(np.float64)
            return cls(
                model=meta["model"],
                columns=dict(zip(meta["columns"], numbers.T, strict=True)),
                benchmarks=np.array(meta["benchmarks"])[file["benchmark"]],
                folds=file["fold"].astype(int),
                right=file["right"],
                guesses=meta["guesses"],
            )

    def only(self, keep: Mask) -> Drafts:
        """Some of the rows."""
        return replace(
            self,
            columns={name: column[keep] for name, column in self.columns.items()},
            benchmarks=self.benchmarks[keep],
            folds=self.folds[keep],
            right=self.right[keep],
        )

    @property
    def worth(self) -> Mask:
        """Rows of benchmarks that count: enough right and wrong drafts, and more than guesses."""
        counted = [name for name in np.unique(self.benchmarks).tolist() if self._counts(name)]
        return np.isin(self.benchmarks, counted)

    def _counts(self, name: str) -> bool:
        right = self.right[self.benchmarks == name]
        guess = self.guesses[name]
        error = (guess * (1 - guess) / right.size) ** 0.5
        return self._enough(name) and bool(right.mean() > guess + SURE * error)

    def _enough(self, name: str) -> bool:
        right = self.right[self.benchmarks == name]
        return bool(min(right.sum(), (~right).sum()) >= FEWEST)

    @property
    def frequent(self) -> Mask:
        """The same, with the benchmarks where it guesses."""
        enough = [name for name in np.unique(self.benchmarks).tolist() if self._enough(name)]
        return np.isin(self.benchmarks, enough)

    @property
    def asked_again(self) -> Mask:
        """Drafts whose dear signals are known."""
        return ~np.isnan(self.columns["agreement"])

    def rows(self) -> list[Draft]:
        """As `classifier.draft.fit` takes them; each benchmark is a task."""
        signals = np.column_stack([self.columns[name] for name in SIGNALS])
        return [
            Draft(
                task=task,
                p_prompt=chance,
                signals=DraftSignals(**dict(zip(SIGNALS, _known(values), strict=True))),
                good=float(right),
            )
            for task, chance, values, right in zip(
                self.benchmarks.tolist(),
                self.columns["prompt"].tolist(),
                signals.tolist(),
                self.right,
                strict=True,
            )
        ]


def _known(values: Sequence[float]) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """P(fast) of the same drafts: by the prompt, with the free signals, with all."""

    prompt: Doubles
    free: Doubles
    dear: Doubles


def judged(drafts: Drafts, *, unseen: bool) -> Judged:
    """By judges that saw other folds, or with `unseen` other benchmarks."""
    prompt = drafts.columns["prompt_unseen" if unseen else "prompt"]
    groups = drafts.benchmarks if unseen else drafts.folds
    return Judged(
        prompt=prompt,
        free=crossed(drafts, groups, prompt, SIGNALS),
        dear=crossed(drafts, groups, prompt, {**SIGNALS, **DEAR}),
    )


def crossed(
    drafts: Drafts,
    groups: Groups,
    prompt: Doubles,
    names: Mapping[str, float],
    *,
    trust_prompt: bool = False,
) -> Doubles:
    """P(fast) of each group by weights that were fitted on the others.

    What is usual in a benchmark is read off its own drafts, of which nobody knows who is right.
    """
    chances, good = logit(prompt), drafts.right.astype(np.float64)
    sure = np.column_stack([_sure(drafts, name, way) for name, way in names.items()])
    out = np.zeros(len(groups))
    for group in np.unique(groups):
        seen = groups != group
        weights = draft.fit_weights(
            chances[seen], sure[seen], good[seen], trust_prompt=trust_prompt
        )
        out[~seen] = weights.chances(chances, sure)[~seen]
    return out


def as_shipped(drafts: Drafts, names: Sequence[str] = tuple(SIGNALS)) -> Doubles:
    """P(fast) on each benchmark by weights of the others, the prompt's chance taken as it is."""
    prompt = drafts.columns["prompt_unseen"]
    signals = {name: SIGNALS[name] for name in names}
    return crossed(drafts, drafts.benchmarks, prompt, signals, trust_prompt=True)


def _sure(drafts: Drafts, name: str, way: float) -> Doubles:
    """A signal in spreads on its sure side; a missing one is usual."""
    column = drafts.columns[name]
    out = np.zeros_like(column)
    for benchmark in np.unique(drafts.benchmarks):
        inside = (drafts.benchmarks == benchmark) & ~np.isnan(column)
        if inside.any():
            apart = way * (column[inside] - column[inside].mean())
            out[inside] = apart / max(float(column[inside].std()), draft.LEAST_SPREAD)
    return np.clip(out, -draft.LIMIT, draft.LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over benchmarks, and where 95 % of its resamples lie."""

    value: float
    low: float
    high: float

    @override
    def __str__(self) -> str:
        """As the tables show it."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def within(drafts: Drafts, scores: Doubles, rows: NDArray[np.int_] | None = None) -> list[float]:
    """AUROC of "right" by `scores` (of "wrong" by its opposite) inside each benchmark."""
    at = np.arange(len(scores)) if rows is None else rows
    names, right, chosen = drafts.benchmarks[at], drafts.right[at], scores[at]
    return [
        auroc(chosen[names == name], right[names == name]) for name in np.unique(drafts.benchmarks)
    ]


def resampled(drafts: Drafts, count: int) -> Draws:
    """Questions drawn again, each benchmark's among its own."""
    dice = np.random.default_rng(0)
    parts = [np.flatnonzero(drafts.benchmarks == name) for name in np.unique(drafts.benchmarks)]
    return [np.concatenate([dice.choice(part, part.size) for part in parts]) for _ in range(count)]


def figure(
    drafts: Drafts,
    scores: Doubles,
    less: Doubles | None,
    draws: Draws,
    *,
    by_question: bool = False,
) -> Figure:
    """Mean AUROC inside a benchmark; with `less`, how much it is above that one's.

    Each benchmark has the same weight, or with `by_question` each question.
    """
    sizes = np.unique(drafts.benchmarks, return_counts=True)[1] if by_question else None

    def value(rows: NDArray[np.int_] | None) -> float:
        found = np.array(within(drafts, scores, rows))
        above = found if less is None else found - within(drafts, less, rows)
        return float(np.average(above, weights=sizes))

    low, high = np.quantile([value(rows) for rows in draws], [0.025, 0.975])
    return Figure(value=value(None), low=float(low), high=float(high))


def carried(drafts: Drafts, weights: DraftJudge) -> Doubles:
    """P(fast) by weights learned on another engine; only what is usual is read off this one."""
    rows = drafts.rows()
    seen: dict[str, list[DraftSignals]] = {}
    for row in rows:
        seen.setdefault(row.task, []).append(row.signals)
    judge = weights.for_engine(seen)
    return np.array([judge.p_fast(row.p_prompt, row.signals, row.task) for row in rows])


def main() -> None:
    """Print the tables; with --ship also write the judge that the product loads."""
    parser = argparse.ArgumentParser(prog="routing_draft", description=__doc__)
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of .npz tables")
    parser.add_argument("--ship", help="fit on the drafts of this model and write the judge")
    given = parser.parse_args()
    console = Console(width=120)
    for table in tables(given):
        console.print(table)
    for drafts in _read(given.tables):
        if given.ship == drafts.model:
            SHIPPED.write_text(shipped(drafts.only(drafts.worth)), encoding="utf-8")


def tables(args: argparse.Namespace) -> Iterator[Table]:
    """Three for each engine whose drafts are kept: a section of `scripts.bench.routing`."""
    found = _read(args.tables)
    for drafts in found:
        others = [other for other in found if other.model != drafts.model]
        yield benchmark_table(drafts, judged(drafts, unseen=False))
        yield mean_table(drafts, [other.only(other.worth) for other in others])
        yield signal_table(drafts.only(drafts.worth))


def _read(folder: Path) -> list[Drafts]:
    return [Drafts.read(path) for path in sorted(folder.glob("*.npz"))]


def benchmark_table(drafts: Drafts, by: Judged) -> Table:
    """Each benchmark by itself; in brackets those that do not count: too few, or guessed."""
    grid = Table("benchmark", "questions", "right", "prompt", "+ free signals", title=drafts.model)
    rows = zip(
        np.unique(drafts.benchmarks),
        within(drafts, by.prompt),
        within(drafts, by.free),
        strict=True,
    )
    counted = set(drafts.benchmarks[drafts.worth].tolist())
    for name, prompt, free in rows:
        right = drafts.right[drafts.benchmarks == name]
        shown = str(name) if name in counted else f"({name})"
        grid.add_row(shown, f"{right.size}", f"{right.mean():.3f}", f"{prompt:.3f}", f"{free:.3f}")
    return grid


def mean_table(everything: Drafts, others: Sequence[Drafts], resamples: int = RESAMPLES) -> Table:
    """Means over the counted benchmarks, with intervals."""
    drafts = everything.only(everything.worth)
    title = f"{len(drafts.right)} drafts of benchmarks that count"
    grid = Table(
        "AUROC inside a benchmark, mean", "AUROC", "above the prompt alone", "ECE", title=title
    )
    draws = resampled(drafts, resamples)
    for unseen in (False, True):
        by = judged(drafts, unseen=unseen)
        where = "a benchmark never seen" if unseen else "other folds"
        _add(grid, f"prompt, {where}", drafts, by.prompt, None, draws)
        _add(grid, f"+ free signals, {where}", drafts, by.free, by.prompt, draws)
        again = drafts.only(drafts.asked_again)
        some, few = replace_rows(by, drafts.asked_again), resampled(again, resamples)
        what = f"  {len(again.right)} of them: + free signals"
        _add(grid, what, again, some.free, some.prompt, few)
        _add(grid, "  the same: + all signals", again, some.dear, some.prompt, few)
    prompt = drafts.columns["prompt_unseen"]
    _add(grid, "as shipped, a benchmark never seen", drafts, as_shipped(drafts), prompt, draws)
    for what, names in PARTS.items():
        less = as_shipped(drafts, names)
        _add(grid, f"  the same, {what}", drafts, less, prompt, draws)
    for other in others:
        judge = draft.fit(other.rows(), version="", learned_on=other.model, trust_prompt=True)
        prompt = drafts.columns["prompt"]
        _add(grid, f"weights of {other.model}", drafts, carried(drafts, judge), prompt, draws)
    whole = everything.only(everything.frequent)
    by, draws = judged(whole, unseen=False), resampled(whole, resamples)
    what = f"all {len(whole.right)} drafts, guesses too: + free"
    _add(grid, what, whole, by.free, by.prompt, draws)
    what = "  the same, mean over questions"
    _add(grid, what, whole, by.free, by.prompt, draws, by_question=True)
    return grid


def replace_rows(by: Judged, keep: Mask) -> Judged:
    """Some of the rows."""
    return Judged(prompt=by.prompt[keep], free=by.free[keep], dear=by.dear[keep])


def _add(
    grid: Table,
    what: str,
    drafts: Drafts,
    scores: Doubles,
    less: Doubles | None,
    draws: Draws,
    *,
    by_question: bool = False,
) -> None:
    alone = str(figure(drafts, scores, None, draws, by_question=by_question))
    above = ""
    if less is not None:
        above = str(figure(drafts, scores, less, draws, by_question=by_question))
    grid.add_row(what, alone, above, f"{ece(scores, drafts.right):.3f}")


def signal_table(drafts: Drafts) -> Table:
    """Each signal by itself: more than 0.5 when a surer draft is more often right."""
    grid = Table("signal alone", "AUROC inside a benchmark", "known for")
    for name, column in drafts.columns.items():
        known = ~np.isnan(column)
        if known.sum() < FEWEST or name.startswith("prompt"):
            continue
        way = {**SIGNALS, **DEAR}.get(
            name, -1.0 if "entropy" in name or name == "deviation" else 1.0
        )
        found = within(drafts.only(known), way * column[known])
        grid.add_row(name, f"{np.mean(found):.3f}", f"{known.mean():.0%}")
    return grid


def shipped(drafts: Drafts) -> str:
    """The weights learned on these drafts with their figures, as JSON.

    What is usual for their engine stays behind: it would be wrong for any other.
    """
    judge = draft.fit(drafts.rows(), version=VERSION, learned_on=drafts.model, trust_prompt=True)
    by, far = judged(drafts, unseen=False), judged(drafts, unseen=True)
    figures = {
        "questions": len(drafts.right),
        "right": drafts.right.mean(),
        "within_prompt": np.mean(within(drafts, by.prompt)),
        "within_free": np.mean(within(drafts, by.free)),
        "unseen_prompt": np.mean(within(drafts, far.prompt)),
        "unseen_free": np.mean(within(drafts, far.free)),
        "unseen_shipped": np.mean(within(drafts, as_shipped(drafts))),
    }
    rounded = {name: round(float(value), 4) for name, value in figures.items()}
    return json.dumps({**asdict(replace(judge, usual={})), "figures": rounded}, indent=1) + "\n"


if __name__ == "__main__":
    main()
