"""The judge's calibration is learned from verdicts: by task where they ask for it, and never for the worse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from classifier.calibrate import Platt, sigmoid
from classifier.judge_scale import JudgeScale, scale_of, with_scale
from classifier.recalibrate import Verdict, recalibrate, verdict
from models.errors import ConfigError

Said = Callable[[float], float]  # from the true logit


def verdicts(
    count: int,
    judge: Callable[[float, str], float],
    *,
    beside: Said = lambda _: 0.5,
    tasks: tuple[str, ...] = ("chat", "code"),
    name: str = "judge-3b-p1",
    seed: int = 1,
) -> list[Verdict]:
    """Requests that the fast tier gets right with the chance of their true logit."""
    dice = np.random.default_rng(seed)
    found: list[Verdict] = []
    for i in range(count):
        truth, task = float(dice.normal(0.3, 1.5)), tasks[i % len(tasks)]
        found.append(
            Verdict(
                judge=name,
                logit=judge(truth, task),
                task=task,
                beside=beside(truth),
                good=float(dice.random() < sigmoid(truth)),
                prompt=str(i).encode(),
            )
        )
    return found


def test_a_yes_that_comes_too_easily_is_taken_down() -> None:
    found = recalibrate(verdicts(600, lambda truth, _: 2 * truth + 3), JudgeScale())
    assert found.better
    assert found.scale.pooled.scale == pytest.approx(0.5, abs=0.12)
    assert found.scale.pooled.shift == pytest.approx(-1.5, abs=0.4)
    assert found.scale.tasks == {}
    assert found.new.loss < found.old.loss
    assert found.new.ece < 0.06 < found.old.ece


def test_a_task_of_another_kind_gets_a_sigmoid_of_its_own() -> None:
    log = verdicts(800, lambda truth, task: truth + (3 if task == "code" else -1))
    found = recalibrate(log, JudgeScale())
    assert found.better
    assert set(found.scale.tasks) == {"chat", "code"}
    assert found.scale(1.0, "code") < 0.3 < 0.7 < found.scale(1.0, "chat")
    assert found.sentence.endswith("Calibrated by itself: chat, code.")


def test_a_task_with_few_verdicts_shares_the_others_sigmoid() -> None:
    rare = ("chat", *["code"] * 15)
    log = verdicts(800, lambda truth, task: truth + (3 if task == "code" else -1), tasks=rare)
    assert "chat" not in recalibrate(log, JudgeScale()).scale.tasks


def test_what_makes_the_decision_worse_is_refused_however_good_by_itself() -> None:
    """Here the judge's excess made up for an embedding classifier that is wrong the other way."""
    log = verdicts(600, lambda truth, _: 3 * truth, beside=lambda truth: float(sigmoid(-truth)))
    found = recalibrate(log, JudgeScale())
    assert found.new.loss < found.old.loss
    assert found.new.both > found.old.both
    assert not found.better
    assert "so the old one stays" in found.sentence


def test_noise_does_not_pass_for_knowledge() -> None:
    logs = [verdicts(200, lambda truth, _: truth, seed=seed) for seed in range(8)]
    assert sum(recalibrate(log, JudgeScale()).better for log in logs) <= 1


def test_only_the_judge_that_spoke_last_counts() -> None:
    old = verdicts(300, lambda truth, _: truth - 5, name="judge-1b-p1")
    found = recalibrate(old + verdicts(300, lambda truth, _: truth + 2), JudgeScale())
    assert found.judge == "judge-3b-p1"
    assert "on 300 verdicts" in found.sentence
    with pytest.raises(ConfigError, match="judge-3b-p1: 50, and 100 are needed"):
        recalibrate(old + verdicts(50, lambda truth, _: truth), JudgeScale())


def test_one_class_cannot_be_calibrated() -> None:
    log = [
        Verdict(judge="j", logit=1.0, task="chat", beside=0.5, good=1.0, prompt=str(i).encode())
        for i in range(200)
    ]
    with pytest.raises(ConfigError, match=r"in all but 0 of 200 verdicts .* was good enough"):
        recalibrate(log, JudgeScale())


def test_a_verdict_is_read_out_of_what_was_kept() -> None:
    signals = {"judge_logit": 1.5, "judge_says_code": 0.8, "p_fast_embedding": 0.7, "p_task": 0.9}
    name = "judge-3b-p1+embedding-minilm-v3+20261124.1900"
    found = verdict(name, signals, good=1.0, prompt=b"p", weight=0.3)
    assert found == Verdict(
        judge="judge-3b-p1", logit=1.5, task="code", beside=0.7, good=1.0, prompt=b"p", weight=0.3
    )
    assert verdict("embedding-minilm-v3", {"p_fast_embedding": 0.7}, good=1.0, prompt=b"") is None


def test_each_judge_has_its_own_scale() -> None:
    meta = {"judge": {"scale": 1.0, "shift": 0.0}}
    one = JudgeScale(pooled=Platt(scale=0.5, shift=1.0), tasks={"code": Platt(shift=-2.0)})
    other = JudgeScale(pooled=Platt(shift=3.0))
    meta |= with_scale(meta, "one", one)
    meta |= with_scale(meta, "other", other)
    assert scale_of(meta, "one") == one
    assert scale_of(meta, "other") == other
    assert scale_of(meta, "third") == JudgeScale()
