"""The task net: fitted, and judged on sources that it has not seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch as typed_torch
from numpy.typing import NDArray

from classifier.calibrate import softmax
from classifier.head import Floats, Net
from classifier.measures import f1_per_class
from scripts.training.rows import Labelled

torch: Any = typed_torch  # its own annotations are half there
Doubles = NDArray[np.float64]

HIDDEN = 64
NETS = 3  # averaged
EPOCHS = 8
BATCH = 256
RATE = 4e-3
DECAY = 0.3
DROPPED_INPUTS, DROPPED_HIDDEN = 0.15, 0.3
SMOOTHING = 0.05  # some labels are a matter of opinion
SOURCE_ROWS = 60  # a source counts as at most so many prompts
OWN_WEIGHT = 6.0  # one of our own prompts counts as so many
DOUBTFUL_WEIGHT = 0.15
# Prompts whose label is their data set's and not their own: "paraphrase" counts as classification where
# the data set is about paraphrases; "what does the bio say" counts as creative.
DOUBTFUL: Final = re.compile(
    r"\A(?:Paraphrase the following sentence|Generate a sentence that means the same"
    r"|Generate a \d-star review|We have the sentence|Read the bio below|What (?:key details|type of details)"
    r"|Suggest a movie title|Generate a title for|Generate a story from|What details would you include"
    r"|Write a dialogue that match)|(?:write an article with the given title:|Extract all the key concepts:)\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskModel:
    """A net with a logit per task, and the tasks' names."""

    names: tuple[str, ...]
    net: Net


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """Task accuracy on rows of sources or folds that the model had not seen."""

    accuracy: float
    f1: dict[str, float]
    per_source: dict[str, float]
    confused: dict[str, dict[str, int]]  # label -> what was said -> how often

    @property
    def macro(self) -> float:
        """Mean over the sources."""
        return float(np.mean(list(self.per_source.values())))


def weights(rows: Sequence[Labelled], made: int) -> Floats:
    """Neither a big source nor a frequent task decides. The last `made` rows are made ones."""
    given = len(rows) - made
    counts = Counter(row.source for row in rows[:given])
    found = [_weight(row, counts) for row in rows[:given]] + [1.0] * made
    weight = np.asarray(found, np.float32)
    labels = np.array([row.task for row in rows])
    for task in np.unique(labels):
        weight[labels == task] /= np.sqrt(weight[labels == task].sum())
    return weight * len(rows) / weight.sum()


def _weight(row: Labelled, counts: Counter[str]) -> float:
    if row.source == "own":
        return OWN_WEIGHT
    bare_passage = row.source == "mmlu" and row.ask.chars > 400
    doubt = DOUBTFUL_WEIGHT if bare_passage or DOUBTFUL.search(row.ask.text) else 1.0
    return doubt * min(1.0, SOURCE_ROWS / counts[row.source])


def fit_tasks(x: Floats, rows: Sequence[Labelled], made: int) -> TaskModel:
    """The mean of a few small nets; the same rows give the same numbers."""
    names = tuple(sorted({row.task for row in rows}))
    target = torch.tensor([names.index(row.task) for row in rows])
    weight = torch.from_numpy(weights(rows, made))
    nets = [_fitted(torch.from_numpy(x), target, weight, len(names), seed) for seed in range(NETS)]
    first, last = [net[1] for net in nets], [net[4] for net in nets]
    return TaskModel(
        names=names,
        net=Net(
            hidden_weights=np.hstack([_array(layer.weight).T for layer in first]),
            hidden_bias=np.hstack([_array(layer.bias) for layer in first]),
            output_weights=np.vstack([_array(layer.weight).T for layer in last]) / np.float32(NETS),
            output_bias=np.stack([_array(layer.bias) for layer in last]).mean(axis=0),
        ),
    )


def _fitted(x: Any, target: Any, weight: Any, outputs: int, seed: int) -> Any:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Dropout(DROPPED_INPUTS),
        torch.nn.Linear(x.shape[1], HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Dropout(DROPPED_HIDDEN),
        torch.nn.Linear(HIDDEN, outputs),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    batches = -(-len(x) // BATCH)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            losses = torch.nn.functional.cross_entropy(
                net(x[chosen]), target[chosen], reduction="none", label_smoothing=SMOOTHING
            )
            optimiser.zero_grad()
            (losses * weight[chosen]).mean().backward()
            optimiser.step()
            pace.step()
    return net


def _array(tensor: Any) -> Floats:
    return tensor.detach().numpy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Task logits of rows by models that did not see their group."""

    names: tuple[str, ...]
    logits: Doubles


def cross_tasks(
    rows: Sequence[Labelled],
    x: Floats,
    made: int,
    judged: int,
    group_of: Callable[[Labelled], str],
) -> Said:
    """The first `judged` rows, each by a model trained without the rows of its group."""
    groups = np.array([group_of(row) for row in rows])
    names = tuple(sorted({row.task for row in rows}))
    logits = np.zeros((judged, len(names)))
    given = len(rows) - made
    for group in np.unique(groups[:judged]):
        seen = np.flatnonzero(groups != group)
        model = fit_tasks(x[seen], [rows[int(i)] for i in seen], int((seen >= given).sum()))
        assert model.names == names, "a task occurs in one group only"
        held = np.flatnonzero(groups[:judged] == group)
        logits[held] = model.net(x[held])
    return Said(names=names, logits=logits)


def task_figures(rows: Sequence[Labelled], said: Said, part: slice) -> TaskFigures:
    """Figures on a slice of the judged rows."""
    chosen = rows[part]
    answers = [said.names[int(i)] for i in said.logits[part].argmax(axis=1)]
    truth = [row.task for row in chosen]
    hits = np.array([a == t for a, t in zip(answers, truth, strict=True)])
    sources = np.array([row.source for row in chosen])
    confused = Counter(zip(truth, answers, strict=True))
    return TaskFigures(
        accuracy=float(hits.mean()),
        f1=f1_per_class(truth, answers),
        per_source={str(s): float(hits[sources == s].mean()) for s in np.unique(sources)},
        confused={
            task: {said: n for (label, said), n in sorted(confused.items()) if label == task}
            for task in sorted(set(truth))
        },
    )


def temperature(said: Said, truth: Sequence[str]) -> float:
    """The factor on the logits with the least log-loss on rows of unseen groups."""
    at = np.array([said.names.index(task) for task in truth])
    rows = np.arange(len(at))
    factors = np.linspace(0.2, 3.0, 57)
    losses = [
        -np.log(softmax(said.logits[: len(at)] * f)[rows, at] + 1e-12).mean() for f in factors
    ]
    return float(factors[int(np.argmin(losses))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The task model and its figures."""

    model: TaskModel
    scale: float
    pooled: TaskFigures
    unseen: TaskFigures
    own: TaskFigures

    @classmethod
    def of(
        cls,
        public: Sequence[Labelled],
        own: Sequence[Labelled],
        made: Sequence[Labelled],
        x: Floats,
    ) -> Tasks:
        """Trains one model to ship and one per fold and per source to judge."""
        rows = [*public, *own, *made]
        ours = slice(len(public), len(public) + len(own))
        folded = cross_tasks(rows, x, len(made), ours.stop, lambda row: str(row.fold))
        unseen = cross_tasks(rows, x, len(made), ours.start, lambda row: row.source)
        return cls(
            model=fit_tasks(x, rows, len(made)),
            scale=temperature(unseen, [row.task for row in public]),
            pooled=task_figures(rows, folded, slice(len(public))),
            unseen=task_figures(rows, unseen, slice(len(public))),
            own=task_figures(rows, folded, ours),
        )
