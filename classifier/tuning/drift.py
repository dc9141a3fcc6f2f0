"""How far traffic has moved from what the classifier was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from classifier.tuning.samples import Floats, Samples

BINS = 10
MOVED = 0.1  # population stability index: below this, nothing worth a look
FAR = 0.25  # from here on, thresholds of the old traffic say little about the new
_FLOOR = 1e-3  # share of an empty bin: one request more may not change the verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The training data, as the head sees it."""

    classifier: str
    p_fast: Floats  # share per tenth
    tasks: Mapping[str, float]  # share per task


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Population stability indices against the baseline: of the scores and of the tasks."""

    baseline: Baseline
    p_fast: Floats  # share per tenth, now
    tasks: Mapping[str, float]
    scores_index: float
    tasks_index: float

    @property
    def verdict(self) -> str:
        """In words."""
        worst = max(self.scores_index, self.tasks_index)
        if worst < MOVED:
            return "as the training data"
        return "somewhat unlike the training data" if worst < FAR else "unlike the training data"


def summarise(classifier: str, p_fast: Floats, tasks: list[str]) -> Baseline:
    """A baseline of these scores and tasks."""
    names, counts = np.unique(np.array(tasks), return_counts=True)
    shares = dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))
    return Baseline(classifier=classifier, p_fast=tenths(p_fast), tasks=shares)


def drift(samples: Samples, baseline: Baseline) -> Drift:
    """These samples against it."""
    now = summarise("", samples.p_fast, samples.tasks.tolist())
    names = sorted({*baseline.tasks, *now.tasks})
    return Drift(
        baseline=baseline,
        p_fast=now.p_fast,
        tasks=now.tasks,
        scores_index=stability_index(baseline.p_fast, now.p_fast),
        tasks_index=stability_index(
            np.array([baseline.tasks.get(name, 0.0) for name in names]),
            np.array([now.tasks.get(name, 0.0) for name in names]),
        ),
    )


def tenths(p_fast: Floats) -> Floats:
    """The share of scores in each tenth of 0..1."""
    counts, _ = np.histogram(p_fast, bins=BINS, range=(0.0, 1.0))
    return counts / max(p_fast.size, 1)


def stability_index(before: Floats, after: Floats) -> float:
    """Population stability index of two lists of shares: 0 when they are the same."""
    old, new = np.maximum(before, _FLOOR), np.maximum(after, _FLOOR)
    return float(((new - old) * np.log(new / old)).sum())


@cache
def shipped_baseline() -> Baseline:
    """Of the head that ships: scripts/training/baseline.py writes it."""
    found = json.loads(files("classifier").joinpath("data/baseline.json").read_bytes())
    return Baseline(
        classifier=found["classifier"],
        p_fast=np.array(found["p_fast"], np.float64),
        tasks=found["tasks"],
    )
