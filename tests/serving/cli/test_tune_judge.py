"""`headstart tune` where the server has a judge: its scores, its calibration, and no silent way round it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import numpy as np
import pytest
from anyio import to_thread

from classifier.calibrate import Platt, sigmoid
from classifier.head import amended, load
from classifier.judge import judge_name
from classifier.judge_scale import JudgeScale, scale_of, with_scale
from classifier.retrain import keep
from router.learning.records import Comparison
from router.outcomes import SqliteOutcomes
from serving.learning import head_file
from serving.settings import ClassifierSettings
from serving.tuning.tuned import read_tuned
from tests.fakes.fleet import deepseek, engine, hosted
from tests.router.ledger_world import FAST, PLAN, leg, outcome
from tests.serving.cli.test_tune import Run, scored, write
from tests.serving.live import headstart

JUDGE = "judge-Qwen2.5-3B-Instruct-p1"
BOTH = f"{JUDGE}+embedding-minilm-v3"
PROMPTS = [  # the first two score far below the others, whatever the judge's noise
    "Design a lock-free hash map in C++ that can grow, and prove that no key is ever lost.",
    "Write a lock-free multi-producer queue in C++ and prove that it is linearizable.",
    "Hello!",
    "Thanks a lot, good night",
    "Good morning, how are you today?",
    "lol ok see you tomorrow",
    "What is the capital of France?",
    "Translate into French: good morning",
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def configure(toml: str) -> None:
    Path("headstart.toml").write_text(toml)


def settings(judge: str, more: str = "") -> None:
    """A server that is attached to a judge."""
    configure(f'[fast]\nurl = "http://127.0.0.1:9/v1"\n[classifier]\nurl = "{judge}"\n{more}')


def scored_prompts() -> None:
    write([{"prompt": text, "fast": i % 4 > 0, "deep": 1} for i, text in enumerate(PROMPTS)])


# -- the scores ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_real_judge_scores_as_the_server_does(
    engine_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tuned to send a quarter of the prompts deep, the server sends that quarter deep."""
    scored_prompts()
    async with hosted(fast=engine("Yes."), deepseek=deepseek("Yes.")) as fleet:
        own = {"url": f"{engine_url}/v1", "tuned": str(fleet.folder / "tuned.toml")}
        fleet.settings["classifier"] = own
        fleet.settings["deadlines"] = {"classifier": 60}
        configure(fleet.toml)
        arguments = ("--data", "my.jsonl", "--deep-share", "0.25", "--apply")
        run = await to_thread.run_sync(lambda: Run(capsys, *arguments))
        tuned = read_tuned(fleet.folder / "tuned.toml")
        async with (
            headstart(fleet.settings) as url,
            httpx.AsyncClient(base_url=url, timeout=120) as client,
        ):
            plans = [(await client.post("/v1/route", json=asked(text))).json() for text in PROMPTS]

    assert run.code == 0
    assert tuned.classifier.startswith("judge-")
    assert f"scores by {tuned.classifier}" in run.text
    assert "where it takes more than 60 s (deadlines.classifier): these scores" in run.text
    assert {plan["assessment"]["classifier"] for plan in plans} == {tuned.classifier}
    assert {plan["plan"]["threshold"] for plan in plans} == {tuned.threshold}
    routes = [plan["plan"]["route"] for plan in plans]
    assert routes[:2] == ["deep"] * 2
    assert routes[2:6] == ["fast"] * 4  # the last two may lie on the threshold


def asked(text: str) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


def test_a_judge_that_does_not_answer_is_one_sentence_with_ways_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings("http://127.0.0.1:9/v1")
    scored_prompts()
    run = Run(capsys, "--data", "my.jsonl", "--deep-share", "0.5", "--apply")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("headstart: Your server's judge does not answer. The engine at http")
    assert "it cannot be reached" in run.err
    assert run.err.endswith(
        "Start it, correct [classifier] url, or add --without-judge to score by the embedding "
        "classifier alone, which cannot be applied.\n"
    )
    assert not Path("headstart.tuned.toml").exists()


def test_the_embedding_alone_is_used_on_purpose_only_and_not_applied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings("http://127.0.0.1:9/v1")
    write(scored(3000))
    arguments = ("--data", "my.jsonl", "--deep-share", "0.5", "--without-judge")
    shown = Run(capsys, *arguments)
    applied = Run(capsys, *arguments, "--apply")
    assert shown.code == 0
    assert "scores by embedding-" in shown.text
    assert applied.code == 2
    assert "these scores are without the judge, and your server's are with it" in applied.err
    assert not Path("headstart.tuned.toml").exists()
    assert "--without-judge is for the prompts of --data" in Run(capsys, "--without-judge").err


@pytest.mark.anyio
async def test_a_judge_that_names_no_letter_is_not_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with engine("A") as fake:
        settings(fake.base_url)
        scored_prompts()
        run = await to_thread.run_sync(lambda: Run(capsys, "--data", "my.jsonl"))
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("headstart: Your server's judge cannot judge: ")
    assert "log-probabilities" in run.err
    assert "add --without-judge" in run.err
    assert run.err.count("\n") == 1


# -- what it learns -----------------------------------------------------------------------------


def store(count: int, *, bias: float) -> None:
    """Compared answers that a judge spoke on whose yes says `bias` too much, in logits."""
    dice = np.random.default_rng(0)
    now = datetime.now(UTC).timestamp()
    kept = SqliteOutcomes(Path("headstart.db"))
    for i in range(count):
        truth = float(dice.normal(0.5, 1.5))
        signals = {
            "p_fast_embedding": 0.6,
            "judge_logit": truth + bias,
            f"judge_says_{('code', 'chat')[i % 2]}": 0.9,
        }
        answered = outcome(
            id=f"hs-{i}",
            created=now - count + i,
            plan=replace(PLAN, route="fast", p_fast=0.6),
            classifier=BOTH,
            signals=signals,
            embedding=dice.normal(size=384).astype(np.float32).tobytes(),
            legs=[leg(FAST, role="draft", cost_usd=Decimal(0))],
        )
        kept.record(answered)
        kept.note(
            Comparison(
                outcome_id=f"hs-{i}",
                created=now,
                fast_quality=float(dice.random() < sigmoid(truth)),
                deep_quality=1.0,
                model="anthropic/big",
                judge="anthropic/big",
                deep_usd=None,
                cost_usd=None,
                input_tokens=10,
                output_tokens=20,
            )
        )
    kept.close()


def with_head() -> None:
    """Use what was learned."""
    settings("http://127.0.0.1:9/v1", 'head = "headstart.head.npz"\n')


def test_the_judge_s_calibration_is_learned_from_verdicts_and_kept_while_it_is_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings("http://127.0.0.1:9/v1")
    store(400, bias=3.0)
    first = Run(capsys, "--retrain")
    head = load(Path("headstart.head.npz").read_bytes())
    learned = scale_of(head.meta, JUDGE)
    with_head()
    again = Run(capsys, "--retrain")

    assert first.code == 0
    assert (
        "The judge's new calibration is better: on 400 verdicts that it did not see" in first.text
    )
    assert "calibration error 0." in first.text
    assert learned.pooled.shift == pytest.approx(-3.0 * learned.pooled.scale, abs=0.7)
    assert scale_of(head.meta, "judge-other-p1").pooled.shift == 0
    assert "+20" in head.version  # other scores: thresholds of the old ones are refused
    assert again.code == 0
    assert "calibration is not shown to be better, so the old one stays" in again.text
    assert again.text.endswith("Nothing is changed.")
    assert load(Path("headstart.head.npz").read_bytes()).version == head.version


def test_a_judge_that_is_right_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    settings("http://127.0.0.1:9/v1")
    store(300, bias=0.0)
    run = Run(capsys, "--retrain")
    assert run.code == 0
    assert "so the old one stays" in run.text
    assert not list(Path().glob("*.npz"))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (40, "Too few verdicts to calibrate judge-Qwen2.5-3B-Instruct-p1: 40, and 100 are needed"),
        (0, "Nothing to learn from: no stored request has feedback or was compared."),
    ],
)
def test_too_few_verdicts_change_nothing(
    capsys: pytest.CaptureFixture[str], count: int, said: str
) -> None:
    settings("http://127.0.0.1:9/v1")
    store(count, bias=3.0)
    run = Run(capsys, "--retrain")
    assert run.code == 2
    assert said in run.err
    assert run.err.count("\n") == 1
    assert not list(Path().glob("*.npz"))


def test_a_scored_file_teaches_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure('[fast]\nurl = "http://127.0.0.1:9/v1"\n[classifier]\nmodel = "embedding"\n')
    hard = [f"What is {n} times {n + 7}?" for n in range(60)]
    easy = [f"Say hello to my friend number {n}." for n in range(60)]
    rows = [{"prompt": text, "fast": 0, "deep": 1} for text in hard]
    write(rows + [{"prompt": text, "fast": 1, "deep": 1} for text in easy])
    run = Run(capsys, "--data", "my.jsonl", "--retrain")
    assert run.code == 0
    assert "The retrained head is better: on 120 samples that it did not see" in run.text
    assert Path("headstart.head.npz").exists()


@pytest.mark.anyio
async def test_the_server_judges_by_the_calibration_that_was_learned(
    engine_url: str, tmp_path: Path
) -> None:
    """One that says the same of everything, so that it is seen at once; another judge's is left alone."""
    judge = judge_name("SmolLM2-135M-Instruct")
    learned = JudgeScale(pooled=Platt(scale=0.0, shift=2.0))
    shipped = head_file(ClassifierSettings())
    meta = with_scale(load(shipped).meta, judge, learned)
    keep(tmp_path / "head.npz", amended(shipped, datetime.now(UTC), meta=meta), datetime.now(UTC))
    async with hosted(fast=engine("Yes."), deepseek=deepseek("Yes.")) as fleet:
        fleet.settings["classifier"] = {
            "url": f"{engine_url}/v1",
            "head": str(tmp_path / "head.npz"),
        }
        fleet.settings["deadlines"] = {"classifier": 60}
        async with (
            headstart(fleet.settings) as url,
            httpx.AsyncClient(base_url=url, timeout=120) as client,
        ):
            told = (await client.post("/v1/route", json=asked("Hello!"))).json()["assessment"]

    assert told["classifier"].startswith(f"{judge}+embedding-")
    assert told["signals"]["p_fast_judge"] == pytest.approx(float(sigmoid(2.0)), abs=1e-4)
    assert scale_of(load((tmp_path / "head.npz").read_bytes()).meta, JUDGE) == JudgeScale()
