"""A user's own tasks, from a few example prompts and without training. Pure.

A prompt belongs to a user's task when its embedding is closer to the examples than ordinary prompts are.
How close that is follows from the examples themselves (each against the others) and from a shipped sample
of ordinary prompts, of which at most CAPTURED may be taken for the task.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from classifier.assessment import Task
from classifier.head import Floats

MIN_EXAMPLES = 3
CAPTURED = 0.005  # of ordinary prompts; a few of them may really be of the user's kind
SHOWN = 3  # nearest examples that an explanation names


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A task as its user describes it."""

    name: str
    examples: tuple[str, ...]
    like: Task | None = None  # None: the built-in task that the examples look like


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTask:
    """A task that a user described by examples."""

    name: str
    like: Task  # the built-in task whose order and threshold hold where this one has none
    examples: Floats  # one embedding a row
    centre: Floats  # of ordinary prompts: what all embeddings have in common
    direction: Floats
    threshold: float  # the least score of a prompt that belongs
    recognised: float  # share of the examples that the others would have recognised
    captured: float  # share of ordinary prompts that it takes

    @property
    def separable(self) -> bool:
        """False where the examples are no closer to each other than ordinary prompts are."""
        return self.recognised >= 0.5

    def scores(self, embeddings: Floats) -> Floats:
        """How well each row fits, -1 to 1: the mean of centroid and nearest example."""
        rows = _centred(embeddings, self.centre)
        nearest = (rows @ _centred(self.examples, self.centre).T).max(axis=1)
        return (rows @ self.direction + nearest) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Why a prompt belongs to a user's task."""

    name: str
    like: Task
    score: float
    threshold: float
    nearest: tuple[int, ...]  # of the task's examples, nearest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What a user's tasks would change in past traffic."""

    rows: int
    moved: Mapping[str, Sequence[tuple[int, Match]]]  # task -> rows, best first

    def share(self, name: str) -> float:
        """Part of the traffic that this task would take."""
        return len(self.moved[name]) / self.rows if self.rows else 0.0


class TooFewExamples(Exception):
    """Fewer examples than a threshold can be calibrated on."""


def build(name: str, examples: Floats, background: Floats, like: Task) -> UserTask:
    """A task with its threshold. Rows of `background` are embeddings of ordinary prompts."""
    _, first = np.unique(examples, axis=0, return_index=True)
    distinct = examples[np.sort(first)]
    if len(distinct) < MIN_EXAMPLES:
        raise TooFewExamples(
            f"[classifier.tasks.{name}] needs {MIN_EXAMPLES} different examples, it has {len(distinct)}"
        )
    centre = background.mean(axis=0)
    draft = _draft(name, distinct, centre, like)
    ordinary = draft.scores(background)
    left_out = np.array(
        [
            _draft(name, np.delete(distinct, at, axis=0), centre, like).scores(row[None])[0]
            for at, row in enumerate(distinct)
        ]
    )
    floor = float(np.quantile(ordinary, 1 - CAPTURED))
    threshold = max(floor, (floor + float(left_out.min())) / 2)
    return UserTask(
        name=name,
        like=like,
        examples=distinct,
        centre=centre,
        direction=draft.direction,
        threshold=threshold,
        recognised=float((left_out >= threshold).mean()),
        captured=float((ordinary >= threshold).mean()),
    )


def _draft(name: str, examples: Floats, centre: Floats, like: Task) -> UserTask:
    mean = _centred(examples, centre).mean(axis=0)
    return UserTask(
        name=name,
        like=like,
        examples=examples,
        centre=centre,
        direction=_unit(mean[None])[0],
        threshold=1.0,
        recognised=0.0,
        captured=0.0,
    )


def match(tasks: Sequence[UserTask], embedding: Floats) -> Match | None:
    """The task that the prompt exceeds the threshold of by most; None: it stays with a built-in one."""
    fits = [
        (score - task.threshold, score, task)
        for task in tasks
        if (score := float(task.scores(embedding[None])[0])) >= task.threshold
    ]
    if not fits:
        return None
    _, score, task = max(fits, key=lambda fit: fit[0])
    near = np.argsort(-(task.examples @ embedding), kind="stable")[:SHOWN]
    return Match(
        name=task.name,
        like=task.like,
        score=score,
        threshold=task.threshold,
        nearest=tuple(int(at) for at in near),
    )


def moves(tasks: Sequence[UserTask], embeddings: Floats) -> Moves:
    """Which rows of past traffic the tasks would take, the best fits first."""
    moved: dict[str, list[tuple[int, Match]]] = {task.name: [] for task in tasks}
    for at, row in enumerate(embeddings):
        if found := match(tasks, row):
            moved[found.name].append((at, found))
    for found_rows in moved.values():
        found_rows.sort(key=lambda item: -item[1].score)
    return Moves(rows=len(embeddings), moved=moved)


@cache
def load_background() -> Floats:
    """Embeddings of ordinary prompts that came with this version."""
    data = files("classifier").joinpath("data/background.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return _unit(file["rows"].astype(np.float32))


def _centred(rows: Floats, centre: Floats) -> Floats:
    return _unit(rows - centre)


def _unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
