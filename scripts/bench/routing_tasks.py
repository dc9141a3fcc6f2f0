"""How well the task is told on sources never seen, and what confusions cost: a section of `scripts.bench.routing`.

Each source of tasks_train.jsonl is judged by a net that was trained without it and without what was made
of its texts. Costs: the operator sends each task to the model that does best on it (`[deep.tasks]`); a
confused prompt goes to the model of the task that it was taken for. Quality is measured, on the prompts
that have outcomes of nine models; dollars are the catalogue's, for `PREFERRED` and answers of ANSWER_TOKENS.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.table import Table

from classifier.embedding import MiniLmEncoder
from classifier.features import form
from classifier.head import inputs, task_inputs
from models.catalogue import Catalogue
from models.prices import cost
from models.stream import Usage
from scripts.training import rows, tasks
from scripts.training.__main__ import embed, embed_instructions
from scripts.training.made import made
from scripts.training.rows import Labelled

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGET = 0.80
ANSWER_TOKENS = 400
CHARS_PER_TOKEN = 4
PREFERRED = {  # an operator's orders: what a small model cannot do costs more
    "math_reasoning": "anthropic/claude-opus-5-5",
    "code": "anthropic/claude-sonnet-5-5",
    "creative": "anthropic/claude-sonnet-5-5",
    "knowledge": "gemini/gemini-4-argon",
}
DEFAULT = "deepseek/deepseek-v4-pro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of each public row by a net that had not seen its source."""

    rows: Sequence[Labelled]
    said: Sequence[str]
    figures: tasks.TaskFigures


def judge(folder: Path, cache: Path | None) -> Judged:
    """Trains a net per source."""
    public, own = rows.tasks(folder), rows.own()
    every = [*public, *own, *(further := made(public))]
    asks = [row.ask for row in every]
    forms = np.stack([form(ask) for ask in asks])
    spread = np.maximum(forms.std(axis=0), 1e-3)
    encoder = MiniLmEncoder()
    embeddings = embed(asks, encoder, cache)
    x = inputs(embeddings, forms, forms.mean(axis=0), spread)
    wanted = embed_instructions(asks, embeddings, encoder, cache)
    said = tasks.cross_tasks(
        every, task_inputs(x, wanted), len(further), len(public), lambda row: row.source
    )
    return Judged(
        rows=public,
        said=[said.names[int(at)] for at in said.logits.argmax(axis=1)],
        figures=tasks.task_figures(every, said, slice(len(public))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Prompts of one task that have outcomes: mean score by label, and by what was said."""

    prompts: int
    by_label: float
    by_said: float


def quality(judged: Judged, folder: Path) -> dict[str, Sent]:
    """What confusions cost in score, with the best of nine models for each task."""
    outcomes = {
        row["prompt"]: row["scores"] for row in rows.read(folder / f"{rows.FILES[0]}.jsonl")
    }
    measured = [
        (row.task, said, outcomes[row.ask.text])
        for row, said in zip(judged.rows, judged.said, strict=True)
        if row.ask.text in outcomes
    ]
    names = sorted(measured[0][2])
    best = {
        task: max(names, key=lambda name: sum(s[name] for t, _, s in measured if t == task))
        for task in {task for task, _, _ in measured}
    }
    usual = max(names, key=lambda name: sum(scores[name] for _, _, scores in measured))
    found: dict[str, Sent] = {}
    for task in sorted(best):
        inside = [(said, scores) for label, said, scores in measured if label == task]
        found[task] = Sent(
            prompts=len(inside),
            by_label=float(np.mean([scores[best[task]] for _, scores in inside])),
            by_said=float(np.mean([scores[best.get(said, usual)] for said, scores in inside])),
        )
    return found


def dollars(judged: Judged) -> dict[str, tuple[float, float]]:
    """Per task: dollars for a thousand requests, sent by label and by what was said."""
    catalogue = Catalogue.load()
    spent: dict[str, list[tuple[float, float]]] = {}
    for row, said in zip(judged.rows, judged.said, strict=True):
        usage = Usage(input=row.ask.chars // CHARS_PER_TOKEN, output=ANSWER_TOKENS)
        prices = [
            cost(usage, catalogue.card(PREFERRED.get(task, DEFAULT)), AT)
            for task in (row.task, said)
        ]
        right, sent = (float(price or 0) for price in prices)
        spent.setdefault(row.task, []).append((right, sent))
    means = {task: np.mean(pairs, axis=0) * 1000 for task, pairs in sorted(spent.items())}
    return {task: (float(mean[0]), float(mean[1])) for task, mean in means.items()}


def tables(args: argparse.Namespace) -> Iterator[Table]:
    """All tables of the section."""
    yield from rendered(judge(args.data, args.cache), args.data)


def rendered(judged: Judged, folder: Path) -> Iterator[Table]:
    """What was said, with the outcomes in that folder."""
    yield _sources(judged.figures)
    yield _confusions(judged.figures)
    yield _costs(judged, quality(judged, folder), dollars(judged))


def _sources(found: tasks.TaskFigures) -> Table:
    """Accuracy on each source, the worst first."""
    met = "green" if found.macro >= TARGET else "red"
    table = Table(
        "source",
        "accuracy",
        title="Task, on a source never seen",
        caption=f"Target: ≥ {TARGET:.2f} on sources that nobody here has.",
    )
    for name, value in sorted(found.per_source.items(), key=lambda item: item[1]):
        table.add_row(name, f"{value:.2f}")
    table.add_section()
    table.add_row("mean of the sources", f"[{met}]{found.macro:.3f}[/]")
    table.add_row("all prompts", f"{found.accuracy:.3f}")
    return table


def _confusions(found: tasks.TaskFigures) -> Table:
    """What each label was taken for, and F1 of each."""
    said = sorted({name for row in found.confused.values() for name in row})
    table = Table("is, said as", title="Confusions, on sources never seen")
    for name in (*said, "F1"):
        table.add_column(name, overflow="fold")
    for task, row in found.confused.items():
        cells = [str(row.get(name, 0) or "") for name in said]
        table.add_row(task, *cells, f"{found.f1[task]:.2f}")
    table.add_section()
    mean = np.mean(list(found.f1.values()))
    table.add_row("mean", *[""] * len(said), f"{mean:.2f}")
    return table


def _costs(judged: Judged, scores: dict[str, Sent], spent: dict[str, tuple[float, float]]) -> Table:
    """In quality and in dollars, task by task and over all prompts."""
    table = Table(
        "task", "with outcomes", "score by label", "as told", "lost", title="What confusions cost"
    )
    for column in ("prompts", "$ per 1,000 by label", "as told", "more"):
        table.add_column(column)
    counts = Counter(row.task for row in judged.rows)
    for task, dollars_of in spent.items():
        sent = scores.get(task)
        quality_of = _quality_cells([sent] if sent else [])
        table.add_row(task, *quality_of, f"{counts[task]:,}", *_dollar_cells(dollars_of))
    table.add_section()
    shares = [counts[task] for task in spent]
    means = np.average(list(spent.values()), axis=0, weights=shares)
    overall = (float(means[0]), float(means[1]))
    total = f"{sum(shares):,}"
    table.add_row("all", *_quality_cells([*scores.values()]), total, *_dollar_cells(overall))
    table.caption = "Score: the best of nine models for each task. Dollars: an operator's orders."
    return table


def _quality_cells(sent: Sequence[Sent]) -> list[str]:
    if not sent:
        return [""] * 4
    prompts = [each.prompts for each in sent]
    right = float(np.average([each.by_label for each in sent], weights=prompts))
    told = float(np.average([each.by_said for each in sent], weights=prompts))
    return [f"{sum(prompts):,}", f"{right:.3f}", f"{told:.3f}", f"{right - told:+.3f}"]


def _dollar_cells(dollars_of: tuple[float, float]) -> list[str]:
    right, told = dollars_of
    return [f"{right:.2f}", f"{told:.2f}", f"{told - right:+.2f}"]
