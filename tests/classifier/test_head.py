"""The shipped head fits the code, its report, and the size that a wheel should have."""

import io
import json
from importlib.resources import files

import numpy as np
import pytest

from classifier.assessment import TASKS
from classifier.features import FORM_NAMES
from classifier.head import HeadMismatch, load, load_shipped

DATA = files("classifier").joinpath("data")
REPORT = DATA.joinpath("report.md").read_text(encoding="utf-8")


def test_report_and_head_are_of_one_training() -> None:
    head = load_shipped()
    assert REPORT.startswith(f"# Training report of `{head.version}` ({head.meta['released']})")
    for name, digest in head.meta["data"].items():
        assert f"| {name} | " in REPORT
        assert f" | {digest} |" in REPORT
    for value in head.meta["metrics"].values():
        assert f"{value:.3f}" in REPORT


def test_head_was_trained_on_the_prompts_that_ship() -> None:
    rows = DATA.joinpath("own_prompts.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"| own_prompts.jsonl | {len(rows)} |" in REPORT


def test_head_is_small() -> None:
    assert len(DATA.joinpath("head.npz").read_bytes()) < 2_000_000


def test_figures_that_must_not_get_worse() -> None:
    metrics = load_shipped().meta["metrics"]
    assert metrics["qwen7b_dev_apgr"] >= 0.80
    assert metrics["qwen7b_dev_ece"] <= 0.03
    assert metrics["qwen7b_all_ece"] <= 0.02
    assert metrics["tasks_unseen_source"] >= 0.70


def test_any_input_gives_chances() -> None:
    head = load_shipped()
    dice = np.random.default_rng(0)
    for scale in (0.0, 1.0, 1e6):
        embedding = dice.normal(size=384).astype(np.float32)
        form = (dice.normal(size=len(FORM_NAMES)) * scale).astype(np.float32)
        reading = head.read(embedding, form, embedding)
        assert set(reading.tasks) == set(TASKS) - {"multimodal"}
        assert sum(reading.tasks.values()) == pytest.approx(1)
        assert 0 <= reading.p_fast <= 1
        assert 0 <= reading.p_right <= 1
        assert np.isfinite(reading.gain)


def test_a_head_for_other_features_is_refused() -> None:
    with np.load(io.BytesIO(DATA.joinpath("head.npz").read_bytes()), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays["meta"]))
    meta["inputs"] = "00000000"
    arrays["meta"] = np.array(json.dumps(meta))
    changed = io.BytesIO()
    np.savez(changed, **arrays)
    with pytest.raises(HeadMismatch, match="scripts/train"):
        load(changed.getvalue())


def test_own_prompts_are_well_formed() -> None:
    rows = [
        json.loads(line)
        for line in DATA.joinpath("own_prompts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(
        {row["prompt"] + row.get("before", "") + row.get("system", "") for row in rows}
    ) == len(rows)
    assert {row["task"] for row in rows} == set(TASKS) - {"multimodal"}
    assert all(row["prompt"].strip() and 0 < row["fast"] < 1 for row in rows)
