"""How new prompts are: a fair test, a size that means something, and each prompt once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from classifier.tuning.distance import FEWEST, SMALL, Distance, Prototypes, distance
from tests.classifier.tuning.rows import prototypes, unit


def measured(
    dice: np.random.Generator, of: Prototypes, size: int, *, away: float = 0.0, tasks: str = "ab"
) -> Distance:
    """Prompts like those that the prototypes are of, moved away from the prototypes."""
    rows = dice.normal(size=(size, 8))
    rows -= away * of.rows[(unit(rows) @ of.rows.T).argmax(axis=1)]
    named = [tasks[i % len(tasks)] for i in range(size)]
    found = distance([row.tobytes() for row in unit(rows)], named, of)
    assert found is not None
    return found


def test_prompts_of_the_same_kind_are_called_new_as_often_as_the_p_value_says() -> None:
    dice = np.random.default_rng(0)
    found = [measured(dice, prototypes(dice), 60).p_value for _ in range(200)]
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.1
    assert 0.4 < np.mean(found) < 0.6


def test_new_prompts_are_found_and_their_distance_grows() -> None:
    dice = np.random.default_rng(1)
    of = prototypes(dice)
    near, some, far = (measured(dice, of, 300, away=away) for away in (0.0, 0.4, 1.0))
    assert not near.newer
    assert some.newer
    assert far.newer
    assert SMALL < some.effect < far.effect


def test_prompts_that_lie_nearer_are_not_new() -> None:
    dice = np.random.default_rng(2)
    of = prototypes(dice)
    found = measured(dice, of, 300, away=-1.0)
    assert (found.newer, found.effect < 0, found.p_value > 0.9) == (False, True, True)


def test_a_difference_too_small_to_matter_is_not_one_however_sure() -> None:
    dice = np.random.default_rng(3)
    of = prototypes(dice)
    known = np.concatenate([of.known - 0.02] * 5)
    found = measured(dice, replace(of, known=known), 2000)
    assert (found.p_value < 0.01, 0 < found.effect < SMALL, found.newer) == (True, True, False)


def test_a_prompt_that_a_program_repeats_counts_once() -> None:
    dice = np.random.default_rng(4)
    of = prototypes(dice)
    rows = [row.tobytes() for row in unit(dice.normal(size=(50, 8)))]
    once, often = (
        distance(rows, ["chat"] * 50, of),
        distance([rows[0]] * 500 + rows, ["chat"] * 550, of),
    )
    assert once is not None
    assert often is not None
    assert often.p_value == once.p_value
    assert distance([rows[0]] * 500, ["chat"] * 500, of) is None


def test_too_few_prompts_and_those_of_another_encoder_say_nothing() -> None:
    dice = np.random.default_rng(5)
    of = prototypes(dice)
    few = [row.tobytes() for row in unit(dice.normal(size=(FEWEST - 1, 8)))]
    other = [row.tobytes() for row in unit(dice.normal(size=(200, 16)))]
    assert distance(few, ["chat"] * len(few), of) is None
    assert distance(other, ["chat"] * 200, of) is None
    assert distance([b""] * 200, ["chat"] * 200, of) is None


def test_the_task_whose_prompts_are_the_newest_is_named() -> None:
    dice = np.random.default_rng(6)
    of = prototypes(dice)
    near, far = dice.normal(size=(100, 8)), dice.normal(size=(100, 8))
    far -= of.rows[(unit(far) @ of.rows.T).argmax(axis=1)]
    rows = [row.tobytes() for row in unit(np.concatenate([near, far]))]
    found = distance(rows, ["chat"] * 100 + ["code"] * 100, of)
    assert found is not None
    assert found.farthest == "code"
