"""Prompts of the training data that look like the one in question."""

from __future__ import annotations

import numpy as np

from classifier.neighbours import nearest
from classifier.prototypes import load_background


def test_a_training_prompt_is_its_own_neighbour_and_the_order_is_by_likeness() -> None:
    found = nearest(load_background()[0].tobytes(), 5)
    assert (found[0].prompt, found[0].task) == ("hi", "chat")
    assert found[0].similarity > 0.99
    assert [n.similarity for n in found] == sorted((n.similarity for n in found), reverse=True)


def test_without_an_embedding_there_are_none() -> None:
    assert nearest(b"") == ()


def test_every_sample_has_its_prompt() -> None:
    everyone = nearest(np.zeros(384, np.float32).tobytes(), 10_000)
    assert len(everyone) == len(load_background())
