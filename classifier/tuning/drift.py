"""How far traffic has moved from what the classifier was trained on."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from classifier.tuning.distance import LARGE, Distance, Prototypes, distance
from classifier.tuning.samples import Floats, Samples

BINS = 10
MOVED = 0.1  # population stability index: below this, nothing worth a look
FAR = 0.25  # from here on, thresholds of the old traffic say little about the new
_FLOOR = 1e-3  # share of an empty bin: one request more may not change the verdict
_VERDICTS = (
    "as the training data",
    "somewhat unlike the training data",
    "unlike the training data",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The training data, as the head sees it."""

    classifier: str
    p_fast: Floats  # share per tenth
    tasks: Mapping[str, float]  # share per task
    prototypes: Prototypes | None = None  # of its embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Population stability indices against the baseline, of the scores and of the tasks; and distance.

    None: what cannot be compared, since somebody else said it.
    """

    baseline: Baseline
    p_fast: Floats  # share per tenth, now
    tasks: Mapping[str, float]
    scores_index: float | None
    tasks_index: float | None
    distance: Distance | None

    @property
    def verdict(self) -> str:
        """In words, by what has moved most."""
        indices = [index for index in (self.scores_index, self.tasks_index) if index is not None]
        levels = [(index >= MOVED) + (index >= FAR) for index in indices]
        if self.distance is not None and self.distance.newer:
            levels.append(1 + (self.distance.effect >= LARGE))
        return _VERDICTS[max(levels, default=0)]


def summarise(classifier: str, p_fast: Floats, tasks: list[str]) -> Baseline:
    """A baseline of these scores and tasks."""
    names, counts = np.unique(np.array(tasks), return_counts=True)
    shares = dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))
    return Baseline(classifier=classifier, p_fast=tenths(p_fast), tasks=shares)


def drift(
    samples: Samples, baseline: Baseline, classifier: str, embeddings: Sequence[bytes] = ()
) -> Drift | None:
    """These samples against it; None when nothing of them can be compared.

    classifier: who made their scores. A judge beside the embedding classifier has its own scores and
    tasks, a retrained head its own scores; the embeddings are the same. embeddings: of each sample,
    or none.
    """
    if baseline.classifier not in classifier.split("+"):
        return None
    now = summarise("", samples.p_prompt, samples.said_tasks.tolist())
    names = sorted({*baseline.tasks, *now.tasks})
    old, new = (
        np.array([found.get(n, 0.0) for n in names]) for found in (baseline.tasks, now.tasks)
    )
    same_scores = classifier == baseline.classifier
    same_tasks = classifier.startswith(baseline.classifier)
    found = None
    if embeddings and baseline.prototypes is not None:
        found = distance(embeddings, samples.said_tasks.tolist(), baseline.prototypes)
    if not same_tasks and found is None:
        return None
    return Drift(
        baseline=baseline,
        p_fast=now.p_fast,
        tasks=now.tasks,
        scores_index=stability_index(baseline.p_fast, now.p_fast) if same_scores else None,
        tasks_index=stability_index(old, new) if same_tasks else None,
        distance=found,
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
    folder = files("classifier").joinpath("data")
    found = json.loads(folder.joinpath("baseline.json").read_bytes())
    with np.load(io.BytesIO(folder.joinpath("prototypes.npz").read_bytes())) as file:
        rows = file["rows"].astype(np.float32)
        centre = file["centre"].astype(np.float32)
        known = file["known"].astype(np.float64)
    return Baseline(
        classifier=found["classifier"],
        p_fast=np.array(found["p_fast"], np.float64),
        tasks=found["tasks"],
        prototypes=Prototypes(
            rows=rows / np.linalg.norm(rows, axis=1, keepdims=True), centre=centre, known=known
        ),
    )
