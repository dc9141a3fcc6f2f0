"""`headstart tune` as a person types it, on scores that are already in the file or really made."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.draft import DraftSignals
from classifier.tuning.drift import shipped_baseline
from router.learning.records import Comparison, Feedback
from router.outcomes import SqliteOutcomes
from router.plan import Looks
from serving.__main__ import main
from serving.tuning.tuned import Tuned, read_tuned, write_tuned
from tests.classifier.tuning.rows import drawn, unit
from tests.router.ledger_world import FAST, PLAN, leg, outcome


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    Path("headstart.toml").write_text(
        '[fast]\nurl = "http://127.0.0.1:9/v1"\n[classifier]\nmodel = "embedding"\n'
    )


class Run:
    """What one command printed and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["tune", *arguments])
        self.code = ended.value.code
        self.out, self.err = capsys.readouterr()
        self.text = " ".join(self.out.split())


def write(rows: list[dict[str, Any]], name: str = "my.jsonl") -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def scored(size: int) -> list[dict[str, Any]]:
    """Rows whose scores are there already, so that nothing has to be classified."""
    log = drawn(size)
    return [
        {"p_fast": float(p), "fast": bool(f), "deep": bool(d), "task": "code"}
        for p, f, d in zip(log.p_fast, log.fast, log.deep, strict=True)
    ]


def test_prompts_are_classified_and_too_few_are_said_to_be_too_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(
        [
            {"prompt": "Hello!", "fast": 1, "deep": 1, "task": "chat"},
            {"prompt": "Prove that sqrt(2) is irrational.", "fast": 0.2, "deep": 1.0},
        ]
    )
    run = Run(capsys, "--data", "my.jsonl")

    assert run.code == 0
    assert "my.jsonl, 2 lines: 2 requests, 2 of them with known quality; scores by emb" in run.text
    assert "Too few samples: with 2 not even a fast tier without a fault" in run.text
    assert run.text.endswith(
        "Keep asking the deep tier, or ask for less, for example --max-drop 0.05."
    )


def test_a_drop_is_promised_shown_and_applied(capsys: pytest.CaptureFixture[str]) -> None:
    write(scored(3000))
    run = Run(capsys, "--data", "my.jsonl", "--max-drop", "0.05", "--report", "tuning", "--apply")
    tuned = read_tuned(Path("headstart.tuned.toml"))

    assert run.code == 0
    assert "With 95 % confidence, quality drops by at most 5 points" in run.text
    assert f"Set the threshold to {tuned.threshold:.3g} (now 0.75)" in run.text
    assert tuned.because in run.text
    assert tuned.samples == 3000
    assert Path("tuning/report.html").stat().st_size > 20_000
    assert "Applied:" in run.text


def test_the_tuned_threshold_is_the_one_of_now_afterwards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(scored(3000))
    Run(capsys, "--data", "my.jsonl", "--deep-share", "0.4", "--apply")
    again = Run(capsys, "--data", "my.jsonl", "--deep-share", "0.4")
    assert "Leave it as it is" in again.text


def test_a_dry_run_counts_what_moves_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write([{**row, "when": 60 * i} for i, row in enumerate(scored(2000))])
    before = sorted(Path().iterdir())
    run = Run(capsys, "--data", "my.jsonl", "--budget", "1/day", "--dry-run")

    assert run.code == 0
    assert "What my.jsonl, 2,000 lines would have done; nothing is changed:" in run.text
    assert "to deep to fast deep now then" in run.text
    assert "In all $" in run.text
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "my.jsonl is empty: write one JSON object per line"),
        ("{", "my.jsonl, line 1 is not JSON."),
        ('\n\n{"prompt": "x", "fast": "good"}', "my.jsonl, line 3: fast: expected `"),
        ('{"prompt": "x", "fast": 7}', "my.jsonl, line 1: fast = 7; scores lie between 0 and 1."),
        ('{"p_fast": -0.5, "fast": 1}', "line 1: p_fast = -0.5; scores lie"),
        ('{"fast": 1}', "line 1 has neither a prompt nor p_fast."),
        ('{"prompt": "x", "task": "poetry"}', "line 1: `poetry` is no task; the tasks are chat"),
        ('{"p_fast": 0.5}', "None of the 1 samples says how good an answer was"),
        ('{"p_fast": 0.5, "fast": true}', "All 1 samples have the same fast score (1, good)"),
        (
            '{"p_fast": 0.5, "classifier": "other-v1"}',
            "p_fast were made by other-v1, and embedding",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(
    capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    Path("my.jsonl").write_text(content)
    run = Run(capsys, "--data", "my.jsonl")
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "gone.jsonl"], "Cannot read gone.jsonl: No such file"),
        (["--max-drop", "2"], "--max-drop 2: it lies between 0 and 1"),
        (["--max-drop", "0"], "A drop of exactly 0 cannot be proven"),
        (["--confidence", "1"], "--confidence 1: it lies between 0.5 and 1"),
        (["--budget", "much"], "The budget `much` is not written as dollars/day"),
        (["--budget", "5", "--deep-share", "0.1"], "Choose one target"),
        (["--budget", "5", "--per-task"], "--per-task goes with --max-drop"),
        (["--apply", "--dry-run"], "choose one."),
        ([], "headstart.db"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    run = Run(capsys, *arguments)
    assert run.code == 2
    assert said in run.err
    assert not Path("headstart.db").exists()


def test_an_empty_store_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    SqliteOutcomes(Path("headstart.db")).close()
    run = Run(capsys)
    assert run.code == 2
    assert "has no request of the last 7 days that `auto` judged: the log is empty." in run.err


def test_nothing_is_applied_without_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    write(scored(50))
    run = Run(capsys, "--data", "my.jsonl", "--apply")
    assert run.code == 2
    assert "Nothing is applied" in run.err
    assert not Path("headstart.tuned.toml").exists()


def test_route_decides_by_the_tuned_thresholds(capsys: pytest.CaptureFixture[str]) -> None:
    write(scored(10))
    Run(capsys, "--data", "my.jsonl", "--deep-share", "0.5", "--apply")
    written = read_tuned(Path("headstart.tuned.toml"))
    write_tuned(
        Path("headstart.tuned.toml"),
        Tuned(
            classifier=written.classifier,
            threshold=0.01,
            written=datetime(2026, 11, 24, tzinfo=UTC),
            samples=10,
            because="",
        ),
    )
    with pytest.raises(SystemExit):
        main(["route", "Prove that sqrt(2) is irrational"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "threshold 0.01" in shown
    assert "tuned 2026-11-24" in shown


def test_prompts_of_a_kind_that_nobody_trained_on_are_called_new(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ordinary ones are not."""
    ordinary = files("serving.cli.bench").joinpath("data/prompts.jsonl").read_text().splitlines()
    said: dict[str, str] = {}
    for name, prompts in (
        ("ordinary", [json.loads(line)["prompt"] for line in ordinary]),
        ("new", [f"N{i}0 G1 {a}{7 * i} F{300 + i} S500 M8" for i in range(16) for a in "XYZ"]),
    ):
        write([{"prompt": text, "fast": i % 3 > 0, "deep": 1} for i, text in enumerate(prompts)])
        run = Run(capsys, "--data", "my.jsonl", "--deep-share", "0.5", "--report", name)
        assert Path(name, "distance.png").exists()
        said[name] = run.text
    assert "their prompts are as near to the training prompts as those are to" in said["ordinary"]
    assert (
        "These requests are unlike the training data of the classifier: their prompts lie"
        in (said["new"])
    )
    assert "standard deviations, permutation p < 0.001" in said["new"]


def store(size: int, outcomes: Callable[[int], dict[str, Any]] = lambda _: {}) -> None:
    """Fast answers of the last hours, each compared with the deep tier's: one of a hundred is bad."""
    now = datetime.now(UTC).timestamp()
    kept = SqliteOutcomes(Path("headstart.db"))
    for i in range(size):
        plan = replace(PLAN, route="fast", because="", p_fast=0.6 + 0.3 * i / size)
        facts: dict[str, Any] = {
            "id": f"hs-{i}",
            "created": now - 10 * i,
            "plan": plan,
            "legs": [leg(FAST, role="draft", cost_usd=Decimal(0))],
        }
        answered = outcome(**(facts | outcomes(i)))
        kept.record(answered)
        kept.note(
            Comparison(
                outcome_id=f"hs-{i}",
                created=now,
                fast_quality=float(i % 100 > 0),
                deep_quality=1.0,
                model="anthropic/big",
                judge="anthropic/big",
                deep_usd=Decimal("0.02"),
                cost_usd=Decimal("0.05"),
                input_tokens=10,
                output_tokens=20,
            )
        )
    kept.close()


def test_the_server_s_own_outcomes_are_tuned_on(capsys: pytest.CaptureFixture[str]) -> None:
    store(500)
    run = Run(capsys, "--max-drop", "0.05", "--dry-run")

    assert run.code == 0
    assert "headstart.db, last 7 days: 500 requests, 500 of them with known quality" in run.text
    assert "With 95 % confidence, quality drops by at most 5 points" in run.text
    assert "What headstart.db, last 7 days would have done" in run.text


def test_the_promise_is_of_what_both_looks_decide(capsys: pytest.CaptureFixture[str]) -> None:
    """The bad answers were shown early, and a whole sentence would have made their chance 0.97."""
    store(2000, lambda i: {"fast_until": 0.97 if i % 20 == 0 else 0.7})
    kept = sqlite3.connect("headstart.db")
    with closing(kept), kept:
        kept.execute("UPDATE comparisons SET fast_quality = (rowid % 20 != 1)")
    run = Run(capsys, "--max-drop", "0.02", "--apply")
    assert run.code == 0
    assert read_tuned(Path("headstart.tuned.toml")).threshold > 0.97


def test_what_no_threshold_of_ours_decides_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    both = "judge-3b+embedding-minilm-v1"

    def late_and_own(i: int) -> dict[str, Any]:
        """The judge is late for every tenth; then somebody's own threshold, then other weights."""
        if i % 10 == 5:
            return {"asked_threshold": 0.1, "classifier": both}
        if i % 10 == 6:
            return {"draft_judge": "draft-v0", "classifier": both}
        return {"classifier": "embedding-minilm-v1" if i % 10 == 7 else both}

    store(500, late_and_own)
    run = Run(capsys, "--max-drop", "0.1")
    assert "400 requests, 400 of them with known quality; scores by judge-3b+embedding" in run.text
    assert "50 requests brought a threshold of their own and are left out." in run.text
    assert "50 requests had their drafts judged by other weights and are left out." in run.text


def test_corrected_tasks_are_counted_and_priced(capsys: pytest.CaptureFixture[str]) -> None:
    """Code that was taken for chat stays on the fast tier: cheaper, and mostly wrong."""
    with Path("headstart.toml").open("a") as settings:
        settings.write(
            "[classifier.thresholds]\nchat = 0.5\ncode = 1.0\n"
            '[deep]\norder = ["deepseek/deepseek-v4-pro"]\n'
            '[deep.tasks]\ncode = ["anthropic/claude-opus-5-5"]\n'
        )
    plan = replace(PLAN, route="fast", because="", p_fast=0.8, task="chat", threshold=0.5)
    store(100, lambda _: {"plan": plan, "judged_task": "chat"})
    kept = SqliteOutcomes(Path("headstart.db"))
    for i in range(100):
        task = "code" if i < 20 else "chat"
        said = Feedback(
            outcome_id=f"hs-{i}", created=1.0, kind="task", value=0.0, leg="", task=task
        )
        kept.note(said)
    kept.close()
    with closing(sqlite3.connect("headstart.db")) as connection, connection:
        connection.execute("UPDATE comparisons SET fast_quality = 0.25 WHERE rowid <= 15")
    run = Run(capsys, "--deep-share", "0.5", "--report", "tuning")
    page = Path("tuning/report.html").read_text()
    assert (
        "100 requests have a task that somebody named, and 20 of them were taken for another"
        in (run.text)
    )
    assert "comes to -$" in run.text
    assert "in all and -56 points of quality for each of these." in run.text
    assert Path("tuning/confusion.png").exists()
    assert "What mistaken tasks cost" in page
    assert re.search(r"code</th><td>chat</td><td class=.n.>20</td><td class=.n.>20</td>", page)


def test_new_prompts_are_noticed_in_the_store_whoever_else_judged_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline = shipped_baseline()
    assert baseline.prototypes is not None
    rows = unit(np.random.default_rng(0).normal(size=(60, baseline.prototypes.rows.shape[1])))
    both = f"judge-3b+{baseline.classifier}"
    store(60, lambda i: {"embedding": rows[i].tobytes(), "classifier": both})
    run = Run(capsys, "--deep-share", "0.5", "--report", "tuning")
    assert "unlike the training data of the classifier: their prompts lie farther from" in run.text
    assert Path("tuning/distance.png").exists()
    assert not Path("tuning/drift.png").exists()  # its scores and tasks are the judge's too


def test_retraining_that_cannot_teach_is_one_sentence_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store(5)
    run = Run(capsys, "--retrain")
    assert run.code == 2
    assert run.err.startswith("headstart: ")
    assert run.err.count("\n") == 1
    assert not list(Path().glob("*.npz"))
    store(5, lambda _: {"looks": Looks(p_prompt=0.5, signals=DraftSignals(mean=-0.5))})
    both = Run(capsys, "--retrain")
    assert both.code == 2
    assert "Too little data for the judge of drafts: 0 judged drafts of small, and 100" in both.err
    assert "so 100 more." in both.err
    assert both.err.count("\n") == 1
