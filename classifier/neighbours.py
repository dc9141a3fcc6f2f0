"""Which of the prompts that the head was trained on look most like this one: for explanations.

Only the prompts that its authors wrote are shipped (classifier/data/own_prompts.jsonl); of the public data
sets the head keeps what it learned, not the texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec
import numpy as np

from classifier.prototypes import load_background

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A prompt of the training data. `fast`: how good the authors expect the fast tier to be at it, 0..1."""

    prompt: str
    task: str
    fast: float
    similarity: float  # cosine, -1..1


class _Own(msgspec.Struct, frozen=True):
    prompt: str
    task: str
    fast: float


def nearest(embedding: bytes, count: int = SHOWN) -> tuple[Neighbour, ...]:
    """The most similar ones, best first; none for a request whose embedding is not known."""
    if not embedding:
        return ()
    similar = load_background() @ np.frombuffer(embedding, np.float32)
    best: list[int] = np.argsort(-similar, kind="stable")[:count].tolist()
    return tuple(_neighbour(_own()[i], float(similar[i])) for i in best)


def _neighbour(own: _Own, similarity: float) -> Neighbour:
    return Neighbour(prompt=own.prompt, task=own.task, fast=own.fast, similarity=similarity)


@cache
def _own() -> tuple[_Own, ...]:
    lines = files("classifier").joinpath("data/own_prompts.jsonl").read_text("utf-8").splitlines()
    return tuple(msgspec.json.decode(line, type=_Own) for line in lines)
