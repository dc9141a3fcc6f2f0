"""Does the promise hold? `python -m scripts.bench.routing_guarantee --data FOLDER [--cache FILE.npz]`.

The development rows of ../shared/routing are taken for a whole population, whose true quality is
known. A thousand times, a log of so many requests is drawn from it, `headstart tune --max-drop`
chooses a threshold from the log, and the threshold is held against the population. Beside it: the
same by Hoeffding-Bentkus, and a plain search (the lowest threshold whose drop in the log is within
the target), which promises nothing. Deep shares are those of the population; where nothing is
promised everything goes deep. The best one knows the population.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from classifier.embedding import MiniLmEncoder
from classifier.features import form
from classifier.head import Floats as Embeddings
from classifier.head import load_shipped
from classifier.tuning.guarantee import candidates, lowest, shown
from classifier.tuning.samples import Floats, Sample, Samples
from scripts.training import rows
from scripts.training.__main__ import embed

DROPS = (0.01, 0.02, 0.05)
SIZES = (500, 1000, 4000)
CONFIDENCE = 0.95
DEV = 0  # the fold that is held back from training

_stats: Any = import_module("scipy.stats")  # comes with scikit-learn; untyped

Passes = Callable[[Floats], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a way of choosing came to over all resamplings."""

    broken: float
    promised: float  # how often it chose a threshold at all
    deep_share: float  # mean, on the population


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws, chooses, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="embeddings kept in this .npz between runs")
    parser.add_argument("--resamplings", type=int, default=1000)
    given = parser.parse_args(arguments)
    console = Console(width=120)
    with threadpool_limits(1):
        for table in tables(given):
            console.print(table)


def tables(args: argparse.Namespace) -> Iterator[Table]:
    """One for each pair of models: a section of `scripts.bench.routing`."""
    encoder = MiniLmEncoder()
    for name, outcomes in (
        ("qwen7b", rows.qwen(args.data)),
        ("routellm", rows.routellm(args.data)),
    ):
        dev = [row for row in outcomes if row.fold == DEV]
        embeddings = embed([row.ask for row in dev], encoder, args.cache)
        yield _table(name, population(dev, embeddings), args.resamplings)


def population(outcomes: Sequence[rows.Outcome], embeddings: Embeddings) -> Samples:
    """The rows with the scores of the shipped head."""
    head = load_shipped()
    return Samples.of(
        [
            Sample(
                task="",
                p_fast=head.read(embedding, form(row.ask), embedding, row.ask.full).p_fast,
                fast_quality=row.fast,
                deep_quality=row.deep,
            )
            for row, embedding in zip(outcomes, embeddings.astype(np.float32), strict=True)
        ]
    )


def judge(whole: Samples, size: int, max_drop: float, passes: Passes, resamplings: int) -> Figures:
    """Logs of `size` requests, drawn from the whole, and what is chosen from them."""
    dice = np.random.default_rng(size)
    broken, shares = 0, list[float]()
    for _ in range(resamplings):
        log = whole.only(dice.integers(0, len(whole), size))
        found = lowest(log, passes)
        if found is not None:
            broken += drop_at(whole, found) > max_drop
            shares.append(float((whole.p_fast < found).mean()))
    deep = sum(shares) + resamplings - len(shares)
    return Figures(
        broken=broken / resamplings,
        promised=len(shares) / resamplings,
        deep_share=deep / resamplings,
    )


def drop_at(whole: Samples, threshold: float) -> float:
    """The true drop."""
    return float(np.where(whole.p_fast >= threshold, whole.drops, 0.0).mean())


def best_share(whole: Samples, max_drop: float) -> float:
    """The least deep share that stays within the target, for one who knows the population."""
    grid = candidates(whole.p_fast).tolist()
    within = [t for t in grid if drop_at(whole, t) <= max_drop]
    return min((float((whole.p_fast < t).mean()) for t in within), default=1.0)


def hoeffding_bentkus(losses: Floats, max_drop: float, error: float) -> bool:
    """Bates et al. 2021: for losses in 0..1, so ours are squeezed."""
    risk, limit = float((losses.mean() + 1) / 2), (max_drop + 1) / 2
    size = losses.size
    if risk >= limit:
        return False
    divergence = risk * math.log(risk / limit) + (1 - risk) * math.log((1 - risk) / (1 - limit))
    bentkus = math.e * float(_stats.binom.cdf(math.ceil(size * risk), size, limit))
    return min(math.exp(-size * divergence), bentkus) <= error


def _table(name: str, whole: Samples, resamplings: int) -> Table:
    error = 1 - CONFIDENCE
    table = Table(
        title=f"{name}: {len(whole):,} rows, {resamplings:,} logs each, {CONFIDENCE:.0%} confidence"
    )
    for column in ("max drop", "log", "broken", "promised", "deep share", "best", "HB: broken"):
        table.add_column(column, justify="right")
    for column in ("deep share", "plain: broken", "deep share"):
        table.add_column(column, justify="right")
    for drop in DROPS:
        for size in SIZES:
            ours = judge(whole, size, drop, lambda x, d=drop: shown(x, d, error), resamplings)
            other = judge(
                whole, size, drop, lambda x, d=drop: hoeffding_bentkus(x, d, error), resamplings
            )
            plain = judge(whole, size, drop, lambda x, d=drop: x.mean() <= d, resamplings)
            table.add_row(
                f"{drop:g}",
                f"{size:,}",
                f"{ours.broken:.1%}",
                f"{ours.promised:.0%}",
                f"{ours.deep_share:.2f}",
                f"{best_share(whole, drop):.2f}",
                f"{other.broken:.1%}",
                f"{other.deep_share:.2f}",
                f"{plain.broken:.1%}",
                f"{plain.deep_share:.2f}",
            )
    return table


if __name__ == "__main__":
    main()
