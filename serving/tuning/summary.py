"""What `headstart tune` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from classifier.tuning.curve import Point, WhatIf
from classifier.tuning.report import TuningReport
from serving.tuning import words
from serving.tuning.tuned import written


def print_summary(console: Console, report: TuningReport, notes: Sequence[str]) -> None:
    """Where the samples come from, the routings side by side, what is proven, what to do."""
    judged = report.quality.samples if report.quality else 0
    console.print(
        f"{report.source}: {report.requests:,} requests, {judged:,} of them with known quality; "
        f"scores by {report.classifier}"
    )
    console.print(f"Target: {words.aim(report)}\n")
    console.print(_routings(report))
    console.print()
    for sentence in _sentences(report, notes):
        console.print(sentence, soft_wrap=True)
    console.print(f"\n[bold]{words.advice(report)}[/]", soft_wrap=True)


def print_moves(console: Console, moves: Sequence[WhatIf], source: str) -> None:
    """What these requests would have done with the new thresholds."""
    console.print(f"\nWhat {source} would have done; nothing is changed:\n")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("requests of", no_wrap=True)
    for name in ("", "to deep", "to fast", "deep now", "then", "$/1,000 now", "then"):
        table.add_column(name, justify="right")
    for move in moves:
        table.add_row(
            move.name,
            f"{move.requests:,}",
            f"{move.to_deep:,}",
            f"{move.to_fast:,}",
            words.share(move.before.deep_share),
            words.share(move.after.deep_share),
            words.per_thousand(move.before),
            words.per_thousand(move.after),
        )
    console.print(table)
    everything = moves[0]
    if everything.before.usd is not None and everything.after.usd is not None:
        spent = everything.before.usd * everything.requests
        would = everything.after.usd * everything.requests
        console.print(
            f"\nIn all {words.dollars(would)} instead of {words.dollars(spent)}.", soft_wrap=True
        )


def _routings(report: TuningReport) -> Table:
    table = Table("", "threshold", box=None, pad_edge=False, header_style="dim")
    for name in ("to deep", "quality", "$/1,000"):
        table.add_column(name, justify="right")
    points = report.sweep.points
    _add(table, "everything deep", "", points[0])
    _add(table, "now", written(report.current), report.now)
    if report.choice.thresholds is not None and report.then is not None:
        name = "[bold green]recommended[/]"
        _add(table, name, written(report.choice.thresholds), report.then)
    _add(table, "everything fast", "", points[-1])
    return table


def _add(table: Table, name: str, thresholds: str, point: Point) -> None:
    quality = "?" if point.quality is None else f"{point.quality:.3f}"
    table.add_row(
        name, thresholds, words.share(point.deep_share), quality, words.per_thousand(point)
    )


def _sentences(report: TuningReport, notes: Sequence[str]) -> Iterator[str]:
    yield words.promise(report)
    yield words.today(report)
    if report.quality and report.quality.assumed:
        yield (
            f"For {report.quality.assumed:,} of {report.quality.samples:,} samples the deep tier's "
            "quality is not known: it counts as perfect, the careful side."
        )
    if report.confusion is not None:
        yield words.mistakes(report.confusion)
    if report.drift is not None:
        yield words.drift(report.drift)
    yield from (f"[dim]{note}[/]" for note in notes)
