"""How well the task is told on sources never seen, and what confusions cost: `python -m scripts.bench.routing_tasks`.

Each source of tasks_train.jsonl is judged by a net that was trained without it and without what was made
of its texts. Costs: the operator sends each task to the model that does best on it (`[deep.tasks]`); a
confused prompt goes to the model of the task that it was taken for. Quality is measured, on the prompts
that have outcomes of nine models; dollars are the catalogue's, for `PREFERRED` and answers of ANSWER_TOKENS.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Judges and prints."""
    parser = argparse.ArgumentParser(prog="routing_tasks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="embeddings, as scripts/train keeps them")
    given = parser.parse_args(arguments)
    with threadpool_limits(1):
        judged = judge(given.data, given.cache)
    print("\n".join(rendered(judged, quality(judged, given.data), dollars(judged))))


def rendered(
    judged: Judged, scores: dict[str, Sent], spent: dict[str, tuple[float, float]]
) -> list[str]:
    """The tables, as Markdown."""
    found = judged.figures
    names = sorted({said for row in found.confused.values() for said in row})
    sources = sorted(found.per_source.items(), key=lambda item: item[1])
    lines = [
        f"A source never seen: accuracy {found.accuracy:.3f}, mean of sources {found.macro:.3f}",
        ", ".join(f"{name} {value:.2f}" for name, value in sources),
        "",
        "| is \\ said | " + " | ".join(names) + " | F1 |",
        "|---" * (len(names) + 2) + "|",
    ]
    for task, row in found.confused.items():
        cells = " | ".join(str(row.get(name, 0)) for name in names)
        lines.append(f"| {task} | {cells} | {found.f1[task]:.2f} |")
    lines += ["", "| task | prompts | score by label | as told | lost |", "|---|---|---|---|---|"]
    lines += [
        f"| {task} | {sent.prompts} | {sent.by_label:.3f} | {sent.by_said:.3f}"
        f" | {sent.by_label - sent.by_said:+.3f} |"
        for task, sent in scores.items()
    ]
    lines += ["", "| task | $ per 1,000 by label | as told | more |", "|---|---|---|---|"]
    lines += [
        f"| {task} | {right:.2f} | {sent:.2f} | {sent - right:+.2f} |"
        for task, (right, sent) in spent.items()
    ]
    return lines


if __name__ == "__main__":
    main()
