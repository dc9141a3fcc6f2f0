"""From settings and a machine to the engines to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigError
from serving.engines.gpu import GIB, Gpu
from serving.engines.plan import (
    EngineSpec,
    Machine,
    inspect_machine,
    plan_engines,
    plan_judge,
)
from serving.settings import Settings

FAST = "Qwen/Qwen2.5-7B-Instruct"
SMALL = "Qwen/Qwen2.5-7B-Instruct-AWQ"
JUDGE = "Qwen/Qwen2.5-3B-Instruct"

LAPTOP = Machine(build="cpu", cores=2, memory=8 * GIB)


def box(*cards: float) -> Machine:
    gpus = tuple(
        Gpu(index=i, name="card", total=int(gib * GIB), free=int(gib * GIB))
        for i, gib in enumerate(cards)
    )
    return Machine(build="cuda", gpus=gpus, cores=16, memory=64 * GIB)


def plan(machine: Machine, **sections: dict[str, Any]) -> list[tuple[str, str | None]]:
    settings = Settings.model_validate(sections)
    return [(spec.role, spec.model or spec.url) for spec in plan_engines(settings, machine)]


def test_a_laptop_runs_the_demo_model() -> None:
    assert plan(LAPTOP) == [("fast", "demo")]


@pytest.mark.parametrize(
    ("cards", "engines"),
    [
        ([80], [("fast", FAST), ("classifier", JUDGE)]),
        ([48], [("fast", FAST), ("classifier", JUDGE)]),
        ([32], [("fast", FAST), ("classifier", JUDGE)]),
        ([24], [("fast", FAST)]),
        ([24, 24], [("fast", FAST), ("classifier", JUDGE)]),
        ([16], [("fast", SMALL)]),
        ([12], [("fast", SMALL)]),
    ],
)
def test_a_gpu_box_runs_what_fits(cards: list[float], engines: list[tuple[str, str]]) -> None:
    assert plan(box(*cards)) == engines


def test_a_card_too_small_for_any_default_is_refused_with_ways_out() -> None:
    with pytest.raises(ConfigError, match="Ways out"):
        plan(box(6))


def test_the_configured_judge_makes_the_fast_tier_shrink() -> None:
    assert plan(box(24), classifier={"model": JUDGE}) == [("fast", SMALL), ("classifier", JUDGE)]


def test_configured_models_that_cannot_fit_together_are_refused_before_any_download() -> None:
    with pytest.raises(ConfigError, match='model = "embedding"'):
        plan(box(24), fast={"model": FAST}, classifier={"model": JUDGE})


def test_embedding_means_no_second_engine() -> None:
    assert plan(box(80), classifier={"model": "embedding"}) == [("fast", FAST)]


def test_beside_a_model_of_unknown_size_no_judge_is_chosen() -> None:
    assert plan(box(80), fast={"model": "someone/their-model"}) == [("fast", "someone/their-model")]


def test_the_judge_of_a_server_that_runs_is_known_although_it_fills_the_card() -> None:
    taken = tuple(replace(gpu, free=GIB) for gpu in box(48).gpus)
    judge = plan_judge(Settings(), replace(box(48), gpus=taken))
    assert judge is not None
    assert judge.model == JUDGE
    assert plan_judge(Settings(), LAPTOP) is None


def test_attaching_needs_no_installed_engine() -> None:
    bare = Machine(build=None, cores=2, memory=GIB)
    url = "http://127.0.0.1:8001/v1"
    assert plan(bare, fast={"url": url}) == [("fast", url)]
    assert plan(bare, fast={"url": url}, classifier={"url": url}) == [
        ("fast", url),
        ("classifier", url),
    ]


def test_an_attached_fast_tier_leaves_the_card_to_the_judge() -> None:
    url = "http://127.0.0.1:8001/v1"
    assert plan(box(24), fast={"url": url}) == [("fast", url), ("classifier", JUDGE)]


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine(build=None, cores=2, memory=GIB), "No engine is installed"),
        (Machine(build="cuda", cores=2, memory=GIB), "nvidia-smi lists no GPU"),
    ],
    ids=["nothing-installed", "no-gpu"],
)
def test_a_machine_that_cannot_run_an_engine(machine: Machine, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(machine)


@pytest.mark.parametrize("model", ["no-such-folder", "/no/such/folder", "a/b/c", ""])
def test_a_name_that_is_no_model(model: str) -> None:
    with pytest.raises(ConfigError, match="is no model"):
        plan(LAPTOP, fast={"model": model})


def test_what_is_configured_reaches_the_spec(tmp_path: Path) -> None:
    fast = {
        "model": str(tmp_path),
        "max_model_len": 4096,
        "extra_args": ["--seed", "1"],
    }
    assert plan_engines(Settings.model_validate({"fast": fast}), LAPTOP) == [
        EngineSpec(role="fast", model=str(tmp_path), window=4096, extra_args=("--seed", "1"))
    ]


def test_this_machine_has_cores_and_memory() -> None:
    machine = inspect_machine({})
    assert machine.cores >= 1
    assert machine.memory > 0
