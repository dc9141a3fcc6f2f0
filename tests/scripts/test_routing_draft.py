"""The bench of drafts: made-up drafts whose worth is known, and the figures that are shipped."""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from classifier.draft import SIGNALS, fit
from scripts.bench import routing_draft as bench
from scripts.bench.routing_draft import DEAR, Drafts


def made(*, tells: float, right: Sequence[float] = (0.3, 0.4, 0.5), each: int = 200) -> Drafts:
    """Benchmarks with this share of right drafts; the mean log-probability tells them apart."""
    dice = np.random.default_rng(0)
    count = each * len(right)
    names = np.repeat([f"b{n}" for n in range(len(right))], each)
    good = dice.uniform(size=count) < np.repeat(right, each)
    columns = {name: dice.normal(size=count) for name in (*SIGNALS, *DEAR)}
    columns["mean"] = columns["mean"] + tells * good
    columns["agreement"] = np.where(np.arange(count) % 2, np.nan, columns["agreement"])
    columns["p_true"] = columns["p_true"] + tells * good
    chance = np.repeat(right, each)
    return Drafts(
        model="made",
        columns={**columns, "prompt": chance, "prompt_unseen": chance},
        benchmarks=names,
        folds=np.arange(count) % 5,
        right=good,
        guesses=dict.fromkeys(np.unique(names).tolist(), 0.0),
    )


@pytest.mark.parametrize("unseen", [False, True])
def test_signals_that_tell_are_found(unseen: bool) -> None:
    drafts = made(tells=1.0)
    by = bench.judged(drafts, unseen=unseen)
    draws = bench.resampled(drafts, 100)
    assert bench.figure(drafts, by.prompt, None, draws).value == pytest.approx(0.5)
    above = bench.figure(drafts, by.free, by.prompt, draws)
    assert above.low > 0.15
    assert above.low < above.value < above.high
    assert bench.figure(drafts, by.dear, by.free, draws).low > 0.02


def test_signals_that_tell_nothing_are_not() -> None:
    drafts = made(tells=0.0)
    by = bench.judged(drafts, unseen=False)
    above = bench.figure(drafts, by.free, by.prompt, bench.resampled(drafts, 100))
    assert above.low < 0 < above.high


def test_guesses_and_rare_benchmarks_do_not_count() -> None:
    drafts = made(tells=1.0, right=(0.5, 0.26, 0.01))
    guessed = replace(drafts, guesses={"b0": 0.25, "b1": 0.25, "b2": 0.0})
    assert set(guessed.benchmarks[guessed.worth]) == {"b0"}
    assert set(drafts.benchmarks[drafts.worth]) == {"b0", "b1"}
    assert set(guessed.benchmarks[guessed.frequent]) == {"b0", "b1"}


def test_weights_carry_over_to_an_engine_that_is_surer_of_everything() -> None:
    drafts = made(tells=1.0)
    judge = fit(drafts.rows(), version="", learned_on="made")
    moved = {**drafts.columns, "mean": 0.2 * drafts.columns["mean"] - 0.1}
    surer = replace(drafts, columns=moved, model="surer")
    assert np.mean(bench.within(surer, bench.carried(surer, judge))) > 0.7


def test_tables_are_printed() -> None:
    drafts = made(tells=1.0)
    console = Console(width=150, record=True, file=StringIO())
    by = bench.judged(drafts, unseen=False)
    for grid in (
        bench.benchmark_table(drafts, by),
        bench.mean_table(drafts, [replace(drafts, model="other")], resamples=20),
        bench.signal_table(drafts),
    ):
        console.print(grid)
    text = console.export_text()
    assert "weights of other" in text
    assert "p_true" in text


def test_the_shipped_judge_and_its_figures_come_from_the_committed_drafts() -> None:
    shipped = json.loads(bench.SHIPPED.read_text())
    tables = [Drafts.read(path) for path in sorted(Path(bench.TABLES).glob("*.npz"))]
    drafts = next(drafts for drafts in tables if drafts.model == shipped["learned_on"])
    again = json.loads(bench.shipped(drafts.only(drafts.worth)))
    assert again["figures"] == pytest.approx(shipped["figures"], abs=2e-3)
    assert again["weights"] == pytest.approx(shipped["weights"], abs=1e-3)
