"""A user's own tasks: examples are recognised, ordinary prompts are not captured."""

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.prototypes import (
    CAPTURED,
    MIN_EXAMPLES,
    TooFewExamples,
    UserTask,
    build,
    load_background,
    match,
    moves,
)

Rows = NDArray[np.float32]


def around(direction: int, count: int, spread: float = 0.15, seed: int = 0) -> Rows:
    """Embeddings near one axis, as prompts of one kind are."""
    dice = np.random.default_rng((seed, direction))
    rows = dice.normal(0, spread / 8, (count, 64))
    rows[:, direction] += 1.0
    rows[:, 63] += 0.4  # what all embeddings have in common
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def background() -> Rows:
    """Ordinary prompts of twenty kinds."""
    return np.vstack([around(at, 30, spread=0.6) for at in range(20)])


def task(background: Rows, direction: int = 30, count: int = 5, name: str = "legal") -> UserTask:
    return build(name, around(direction, count), background, "knowledge")


def test_more_of_the_same_kind_is_recognised_and_nothing_else_is(background: Rows) -> None:
    legal = task(background)
    assert (legal.scores(around(30, 50, seed=1)) >= legal.threshold).all()
    assert (legal.scores(around(40, 50, seed=1)) < legal.threshold).all()
    assert legal.recognised == 1
    assert legal.separable


@pytest.mark.parametrize("direction", range(20))
def test_ordinary_prompts_are_not_captured(background: Rows, direction: int) -> None:
    """Also where the examples look like a twentieth of them."""
    assert task(background, direction).captured <= CAPTURED


def test_examples_that_have_nothing_in_common_are_called_so(background: Rows) -> None:
    mixed = np.vstack([around(at, 1) for at in (2, 7, 11, 15)])
    vague = build("vague", mixed, background, "chat")
    assert not vague.separable
    assert vague.captured <= CAPTURED


def test_the_match_says_why(background: Rows) -> None:
    legal = task(background)
    found = match([legal], legal.examples[2])
    assert found is not None
    assert (found.name, found.like) == ("legal", "knowledge")
    assert found.nearest[0] == 2
    assert found.score >= found.threshold
    assert match([legal], around(45, 1)[0]) is None
    assert match([], legal.examples[2]) is None


def test_the_nearer_of_two_tasks_takes_the_prompt(background: Rows) -> None:
    both = [task(background), task(background, direction=31, name="medical")]
    found = match(both, around(31, 1, seed=3)[0])
    assert found is not None
    assert found.name == "medical"


def test_moves_tell_what_would_change(background: Rows) -> None:
    past = np.vstack([background, around(30, 10, seed=2)])
    changed = moves([task(background)], past)
    assert changed.rows == len(past)
    assert {at for at, _ in changed.moved["legal"]} >= set(range(600, 610))
    assert changed.share("legal") == pytest.approx(10 / 610, abs=0.006)
    scores = [found.score for _, found in changed.moved["legal"]]
    assert scores == sorted(scores, reverse=True)
    assert moves([task(background)], past[:0]).share("legal") == 0


def test_too_few_examples_are_refused(background: Rows) -> None:
    twice = np.repeat(around(30, 2), 2, axis=0)
    with pytest.raises(TooFewExamples, match=rf"legal\] needs {MIN_EXAMPLES} .* it has 2"):
        build("legal", twice, background, "chat")


def test_the_shipped_background_is_a_sample_of_unit_vectors() -> None:
    rows = load_background()
    assert len(rows) >= 500
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-3)
