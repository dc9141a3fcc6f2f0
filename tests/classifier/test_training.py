"""Training is deterministic, and its rows are what their readers say."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.embedding import WHOLE, Window
from classifier.head import load

pytest.importorskip("sklearn", reason="the train group is not installed")

from threadpoolctl import threadpool_limits

from scripts.training import __main__ as training
from scripts.training import made, rows, tasks
from scripts.training.report import render


class FakeEncoder:
    """A random direction per text, the same each time."""

    def encode(self, texts: Sequence[str], window: Window = WHOLE) -> NDArray[np.float32]:
        drawn = [np.random.default_rng(zlib.crc32(t.encode())).normal(size=384) for t in texts]
        return np.stack([row / np.linalg.norm(row) for row in drawn]).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few rows of each file, and settings that train in seconds."""
    monkeypatch.setattr(tasks, "EPOCHS", 2)
    monkeypatch.setattr(made, "COUNTS", {"translation": 10, "creative": 10})
    own = [row for i, row in enumerate(rows.read(rows.OWN)) if i % 9 == 0]
    write(tmp_path / "own.jsonl", own)
    monkeypatch.setattr(rows, "OWN", tmp_path / "own.jsonl")
    models = {rows.FAST: 1.0, rows.DEEP: 1.0, "other": 0.0}
    write(
        tmp_path / "qwen7b_outcomes_train.jsonl",
        [
            {
                "prompt": f"{name} question {n}",
                "benchmark": name,
                "scores": {**models, rows.FAST: float(n % 3 == 0), rows.DEEP: float(n % 4 != 0)},
            }
            for name in ("easy", "hard")
            for n in range(60)
        ],
    )
    write(
        tmp_path / "routellm_outcomes_train.jsonl",
        [
            {
                "prompt": f"exam {n}",
                "benchmark": f"mmlu/{n % 3}",
                "weak": n % 2 == 0,
                "strong": n % 3 > 0,
            }
            for n in range(60)
        ],
    )
    text = "A long paragraph about a river and the people who live beside it. " * 4
    write(
        tmp_path / "tasks_train.jsonl",
        [
            {"prompt": f"{n} {text}", "task": task, "source": f"t0/{source}_template_{n % 3}"}
            for task, source in (("extraction", "duorc"), ("knowledge", "sciq"))
            for n in range(40)
        ],
    )
    return tmp_path


def write(path: Path, objects: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(o) + "\n" for o in objects), encoding="utf-8")


def test_the_same_data_gives_the_same_bytes(folder: Path) -> None:
    made: list[bytes] = []
    for name in ("one", "two"):
        with threadpool_limits(1):
            trained, figures = training.train(folder, FakeEncoder())
        training.save(folder / f"{name}.npz", trained, figures)
        (folder / f"{name}.md").write_text(render(figures), encoding="utf-8")
        made.append((folder / f"{name}.npz").read_bytes() + (folder / f"{name}.md").read_bytes())
    assert made[0] == made[1]

    head = load((folder / "one.npz").read_bytes())
    assert head.version == training.VERSION
    embedding = FakeEncoder().encode(["hello"])[0]
    reading = head.read(embedding, head.mean, embedding)
    assert 0 <= reading.p_fast <= 1


def test_embeddings_are_kept_and_not_mistaken_for_others(folder: Path) -> None:
    asks = [rows.plain_ask(text) for text in ("b", "aa", "b")]
    cache = folder / "cache.npz"
    first = training.embed(asks, FakeEncoder(), cache)
    assert (first[0] == first[2]).all()
    assert (training.embed(asks, FakeEncoder(), cache) == first).all()
    more = training.embed([rows.plain_ask("c"), asks[0]], FakeEncoder(), cache)
    assert more == pytest.approx(FakeEncoder().encode(["c", "b"]), abs=1e-4)


def test_templates_of_one_data_set_are_one_source() -> None:
    assert rows.source_of("t0/duorc_SelfRC_title_generation") == "duorc"
    assert rows.source_of("llmrouter/commongen") == rows.source_of("t0/common_gen_Put_together")
    assert rows.source_of("gsm8k-train") == rows.source_of("llmrouter/gsm8k")


def test_made_rows_belong_to_the_source_of_their_text(folder: Path) -> None:
    public = rows.tasks(folder)
    further = made.made(public)
    assert len(further) == 20
    assert {row.task for row in further} == {"translation", "creative"}
    assert {row.source for row in further} <= {made.OWN, *(row.source for row in public)}
    assert made.made(public) == further


def test_own_prompts_keep_their_context() -> None:
    asks = [row.ask for row in rows.own()]
    assert any(ask.context for ask in asks)
    assert all(ask.text for ask in asks)
