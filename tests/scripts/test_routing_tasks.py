"""The benches of tasks and of RouteLLM's files: made-up judgements whose cost is known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from classifier.bag import bag
from scripts.bench import routellm, routing, routing_tasks
from scripts.bench.routing_tasks import Judged, dollars, quality
from scripts.training import evaluate, rows
from scripts.training.quality import Material
from scripts.training.rows import Labelled, plain_ask
from scripts.training.tasks import Said, task_figures

NAMES = ("code", "creative")
SCORES = {"coder": (1.0, 0.0), "poet": (0.0, 1.0)}  # on code, on creative


def judged(said: list[str]) -> Judged:
    """Ten prompts to code and ten to write, of two sources each."""
    labelled = [
        Labelled(ask=plain_ask(f"{task} {i}"), task=task, source=f"{task}-{i % 2}", fold=0)
        for task in NAMES
        for i in range(10)
    ]
    logits = np.array([[1.0 * (name == one) for name in NAMES] for one in said])
    figures = task_figures(labelled, Said(names=NAMES, logits=logits), slice(20))
    return Judged(rows=labelled, said=said, figures=figures)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What two models made of these prompts."""
    lines = [
        {"prompt": f"{task} {i}", "scores": {model: on[at] for model, on in SCORES.items()}}
        for at, task in enumerate(NAMES)
        for i in range(10)
    ]
    outcomes = tmp_path / f"{rows.FILES[0]}.jsonl"
    outcomes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def text(tables: Iterable[Table]) -> str:
    console = Console(width=160, record=True, file=StringIO())
    for table in tables:
        console.print(table)
    return console.export_text()


def test_confusions_cost_what_the_wrong_model_loses(folder: Path) -> None:
    right, wrong = judged(["code"] * 10 + ["creative"] * 10), judged(["creative"] * 20)
    assert [sent.by_said for sent in quality(right, folder).values()] == [1.0, 1.0]
    lost = quality(wrong, folder)["code"]
    assert (lost.prompts, lost.by_label, lost.by_said) == (10, 1.0, 0.0)
    by_label, as_told = dollars(judged(["code"] * 20))["creative"]
    assert by_label == as_told  # the operator sends both to the same model


def test_each_source_each_class_and_each_cost_is_printed(folder: Path) -> None:
    shown = text(routing_tasks.rendered(judged(["code"] * 15 + ["creative"] * 5), folder))
    assert "│ creative-0 │ 0.40 │ │ creative-1 │ 0.60 │" in " ".join(shown.split())
    assert "0.750" in shown  # of all prompts
    assert "0.80" in shown  # F1 of code
    assert "+0.250" in shown  # score lost over all
    assert routing.SECTIONS["tasks"] is routing_tasks.tables


def test_routellm_s_lines_stand_beside_ours() -> None:
    dice = np.random.default_rng(0)
    size = 400
    names = np.repeat(["mmlu/law", "mmlu/physics", "gsm8k", "gsm8k"], size // 4)
    weak, strong = ((dice.random(size) < share).astype(float) for share in (0.6, 0.9))
    compared = evaluate.Judged(
        benchmarks=names,
        fast=weak,
        deep=strong,
        p_fast=dice.random(size),
        p_right=dice.random(size),
        raw_fast=dice.random(size),
        named_gain=dice.random(size),
    )
    x = dice.normal(size=(size, 4)).astype(np.float32)
    theirs = Material(
        x=x,
        bags=[bag(f"word{at % 9}") for at in range(size)],
        kinds=np.repeat(["mmlu", "gsm8k", "math", "mbpp"], size // 4),
        targets=np.stack([weak, strong - weak], axis=1),
        folds=np.arange(size) % 5,
    )
    shown = text(routellm.tables(compared, theirs, theirs))
    assert "SW ranking" in shown
    assert "another pair, without gsm8k and agentverse-mgsm" in shown
    assert shown.count("other rows of this file") == len(routellm.PUBLISHED) == 2
    for lines in routellm.PUBLISHED.values():
        assert all(0.3 < line.cpt50 < line.cpt80 < 0.9 for line in lines)
