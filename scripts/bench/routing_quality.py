"""How well the fast tier's worth is told, with bootstrap intervals: a section of `scripts.bench.routing`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from classifier.embedding import MiniLmEncoder
from classifier.features import form
from classifier.head import Floats, inputs, load_shipped
from classifier.measures import auroc, curve, ece
from classifier.text import Ask
from scripts.bench import routellm
from scripts.training import rows
from scripts.training.__main__ import embed
from scripts.training.evaluate import (
    Judged,
    chance_ece,
    interval,
    leave_one_benchmark_out,
    mean_within,
    within,
)
from scripts.training.quality import Material, cross_fit


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and what it should reach; `sign` is -1 where less is better."""

    name: str
    of: Callable[[Judged], float]
    target: float
    sign: int = 1


def _line(judged: Judged) -> tuple[float, float, float]:
    line = curve(-judged.p_fast, judged.fast, judged.deep)
    return line.apgr, line.cpt(0.5), line.share_within(0.01)


QWEN = (
    Figure("APGR", lambda j: _line(j)[0], 0.80),
    Figure("CPT50", lambda j: _line(j)[1], 0.11, -1),
    Figure("deep share within 1 point", lambda j: _line(j)[2], 0.55, -1),
    Figure("calibration error of p_fast", lambda j: ece(j.p_fast, j.enough), 0.02, -1),
    Figure('AUROC "fast fails", inside a benchmark', lambda j: mean_within(within(j)), 0.62),
)
ROUTELLM = (Figure("APGR", lambda j: _line(j)[0], 0.72),)


def tables(args: argparse.Namespace) -> Iterator[Table]:
    """All tables of the section."""
    pair, other, own = rows.qwen(args.data), rows.routellm(args.data), rows.own()
    parts = [[row.ask for row in part] for part in (pair, other, own)]
    x_pair, x_other, x_own = np.split(
        _inputs([ask for part in parts for ask in part], args),
        np.cumsum([len(part) for part in parts[:2]]),
    )
    material = Material.of(pair, own, x_pair, x_own)
    judged = Judged.of(pair, cross_fit(material))
    theirs = Material.of(other, [], x_other, x_own[:0])
    compared = Judged.of(other, cross_fit(theirs))
    dev, other_dev = (np.array([row.fold == 0 for row in part]) for part in (pair, other))
    yield _targets("qwen2.5-7b against nemotron-51b", QWEN, judged.only(dev), judged)
    yield _chance(judged.only(dev), judged)
    yield _benchmarks(judged, leave_one_benchmark_out(material))
    yield _targets("Mixtral-8x7B against GPT-4", ROUTELLM, compared.only(other_dev), compared)
    yield from routellm.tables(compared, theirs, material)


def _inputs(asks: Sequence[Ask], args: argparse.Namespace) -> Floats:
    head = load_shipped()
    forms = np.stack([form(ask) for ask in asks])
    return inputs(embed(asks, MiniLmEncoder(), args.cache), forms, head.mean, head.spread)


def _targets(title: str, figures: Sequence[Figure], dev: Judged, every: Judged) -> Table:
    size = f"{dev.fast.size:,}", f"{every.fast.size:,}"
    table = Table("", "target", f"dev ({size[0]})", "95 %", f"all ({size[1]})", "95 %", title=title)
    for figure in figures:
        value = figure.of(dev)
        met = figure.sign * value >= figure.sign * figure.target
        sign = "≥" if figure.sign > 0 else "≤"
        table.add_row(
            figure.name,
            f"{sign} {figure.target:.2f}",
            f"[{'green' if met else 'red'}]{value:.3f}[/]",
            _range(dev, figure.of),
            f"{figure.of(every):.3f}",
            _range(every, figure.of),
        )
    return table


def _range(judged: Judged, figure: Callable[[Judged], float]) -> str:
    low, high = interval(judged, figure, resamples=400)
    return f"{low:.3f} – {high:.3f}"


def _chance(dev: Judged, every: Judged) -> Table:
    """What belongs beside the targets to read them right."""
    table = Table("for comparison", "dev", "all")
    named = [curve(j.named_gain, j.fast, j.deep) for j in (dev, every)]
    lines: list[tuple[str, Sequence[float]]] = [
        ("APGR, only the benchmark's name known", [line.apgr for line in named]),
        ("the same, deep share within 1 point", [line.share_within(0.01) for line in named]),
        ("calibration error of perfect chances", [chance_ece(j.p_fast) for j in (dev, every)]),
        ("calibration error of p_right", [ece(j.p_right, ~j.fails) for j in (dev, every)]),
        ('AUROC "fast fails", pooled', [auroc(-j.p_right, j.fails) for j in (dev, every)]),
    ]
    for name, values in lines:
        table.add_row(name, *(f"{value:.3f}" for value in values))
    return table


def _benchmarks(judged: Judged, unseen: dict[str, float]) -> Table:
    table = Table(
        "benchmark",
        "rows",
        "fails",
        "other rows of it seen",
        "never seen",
        title='AUROC "fast fails"',
    )
    seen = within(judged)
    for name in sorted(unseen):
        inside = judged.benchmarks == name
        table.add_row(
            name,
            f"{int(inside.sum())}",
            f"{judged.fails[inside].mean():.2f}",
            f"{seen[name]:.2f}" if name in seen else "–",
            f"{unseen[name]:.2f}",
        )
    table.add_row(
        "mean", "", "", f"{mean_within(seen):.3f}", f"{np.mean(list(unseen.values())):.3f}"
    )
    return table
