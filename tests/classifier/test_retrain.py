"""A head learns from traffic: what it can learn, what it refuses, and that it rather stays the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from classifier.calibrate import logit, sigmoid
from classifier.correction import Correction, arrays_of, correction_of
from classifier.features import FORM_NAMES
from classifier.head import INPUTS_DIGEST, load
from classifier.retrain import Lesson, keep, retrain
from models.errors import ConfigError

DATA = files("classifier").joinpath("data/head.npz").read_bytes()
HEAD = load(DATA)
AT = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
World = Callable[[float, np.ndarray[tuple[int], np.dtype[np.float32]]], float]


def traffic(count: int, world: World, *, seed: int = 1) -> list[Lesson]:
    """Prompts whose fast answers are good with the chance that `world` gives (from p_fast, embedding)."""
    chance = np.random.default_rng(seed)
    found: list[Lesson] = []
    for _ in range(count):
        embedding = chance.normal(size=384).astype(np.float32)
        embedding /= np.linalg.norm(embedding)
        form = (HEAD.mean + HEAD.spread * chance.normal(size=len(FORM_NAMES))).astype(np.float32)
        p_fast = float(HEAD.read(embedding, form, embedding).p_fast)
        found.append(
            Lesson(
                embedding=embedding.tobytes(),
                form=form.tobytes(),
                features=INPUTS_DIGEST,
                good=float(chance.random() < world(p_fast, embedding)),
            )
        )
    return found


def test_a_pair_of_models_that_does_better_than_in_training_is_learned() -> None:
    learned = retrain(DATA, traffic(400, lambda p, _: float(sigmoid(logit(p) + 1.5))), at=AT)
    assert learned.better
    assert learned.high < 0
    assert learned.sentence.startswith("The retrained head is better: on 400 samples")
    new = load(learned.data)
    assert new.learned.shift == pytest.approx(1.5, abs=0.6)
    assert new.version == f"{HEAD.version}+20261124.1900"
    assert new.meta["judge"] == HEAD.meta["judge"]


def test_what_tells_prompts_apart_here_is_learned_too() -> None:
    learned = retrain(DATA, traffic(900, lambda _, e: 0.95 if e[0] > 0 else 0.05), at=AT)
    assert learned.better
    assert load(learned.data).learned.weights.shape == (384 + len(FORM_NAMES),)


def test_traffic_as_in_training_leaves_the_head_as_it_is() -> None:
    learned = retrain(DATA, traffic(300, lambda p, _: p), at=AT)
    assert not learned.better
    assert "not shown to be better, so the old one stays" in learned.sentence


def test_noise_does_not_pass_for_knowledge() -> None:
    """In at most one of twenty such logs may a head be taken for better that is not."""
    logs = [traffic(100, lambda p, _: p, seed=seed) for seed in range(4)]
    assert sum(retrain(DATA, log, at=AT).better for log in logs) <= 1


def test_learning_twice_does_not_pile_up() -> None:
    log = traffic(300, lambda p, _: float(sigmoid(logit(p) + 1.5)))
    once = retrain(DATA, log, at=AT)
    twice = retrain(once.data, log, at=AT)
    assert load(twice.data).learned.shift == pytest.approx(load(once.data).learned.shift, abs=0.2)
    assert load(twice.data).version == f"{HEAD.version}+20261124.1900"
    assert not twice.better


def test_weights_count() -> None:
    """Two logs that contradict each other: the weightier one is believed."""
    good = traffic(200, lambda p, _: 0.97, seed=2)
    bad = [replace(one, weight=0.05) for one in traffic(200, lambda p, _: 0.03, seed=3)]
    assert load(retrain(DATA, good + bad, at=AT).data).learned.shift > 0


def test_the_same_log_gives_the_same_head() -> None:
    log = traffic(150, lambda p, _: 1 - p)
    assert retrain(DATA, log, at=AT) == retrain(DATA, log, at=AT)


GOOD = traffic(100, lambda _p, _e: 1.0)


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ([], "Nothing to learn from: no stored request has feedback"),
        (GOOD[:40], "Too little data: 40 samples, and 100 are needed"),
        (GOOD, "One class only: in all but 0 of 100 samples the fast answer was good enough"),
        (
            [*GOOD[:95], *(replace(one, good=0.0) for one in GOOD[:5])],
            "One class only: in all but 5 of 100",
        ),
        ([replace(one, features="0badcafe") for one in GOOD], "another version of the head"),
        ([replace(one, features="") for one in GOOD], r"features unknown, this one reads"),
        ([replace(GOOD[0], good=1.5)], "quality 1.5: it must be between 0 and 1"),
        ([replace(GOOD[0], good=float("nan"))], "quality nan"),
    ],
)
def test_a_log_that_cannot_teach_is_refused_with_a_sentence(
    log: Sequence[Lesson], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        retrain(DATA, log, at=AT)


def test_the_old_head_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    assert keep(path, b"first", AT) is None
    old = keep(path, b"second", AT)
    assert old is not None
    assert old == tmp_path / "head-20261124-190000.npz"
    assert (old.read_bytes(), path.read_bytes()) == (b"first", b"second")
    assert sorted(tmp_path.iterdir()) == [old, path]


def test_a_correction_comes_back_from_its_file() -> None:
    kept = Correction(scale=0.75, shift=-0.5, weights=np.asarray([0.25, -1.0]))
    read = correction_of(arrays_of(kept))
    assert (read.scale, read.shift, read.weights.tolist()) == (0.75, -0.5, [0.25, -1.0])
    x = np.asarray([1.0, 2.0])
    assert float(read(0.5, x)) == pytest.approx(float(sigmoid(-0.5 + 0.25 - 2.0)))


def test_no_correction_changes_nothing() -> None:
    assert float(correction_of({})(0.123456789, np.zeros(3))) == 0.123456789
