"""The two models of the head, fitted with scikit-learn."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from classifier.head import Floats, Net

Mask: TypeAlias = NDArray[np.bool_]

HIDDEN = 64
TASK_NETS, QUALITY_NETS = 3, 5  # averaged
TASK_EPOCHS, QUALITY_EPOCHS = 6, 15
INPUT_SCALE = 1 / 3  # of the head's inputs: keeps Adam's first steps small
SOURCE_ROWS = 60  # a source counts as at most so many prompts
OWN_WEIGHT = 6.0  # one of our own prompts counts as so many


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskModel:
    """A net with a logit per task, and the tasks' names."""

    names: tuple[str, ...]
    net: Net


def fit_tasks(x: Floats, tasks: Sequence[str], sources: Sequence[str]) -> TaskModel:
    """Weighted so that neither a big source nor a frequent task decides."""
    counts = Counter(sources)
    weight = np.array(
        [OWN_WEIGHT if s == "own" else min(1.0, SOURCE_ROWS / counts[s]) for s in sources]
    )
    labels = np.asarray(tasks)
    totals = {str(task): float(weight[labels == task].sum()) for task in np.unique(labels)}
    weight = weight / np.sqrt([totals[task] for task in tasks])
    weight *= len(tasks) / weight.sum()
    nets = [
        _fitted(
            MLPClassifier(
                hidden_layer_sizes=(HIDDEN,),
                alpha=1.0,
                batch_size=min(128, len(x)),  # pyright: ignore[reportArgumentType]  # guessed from the default "auto"
                max_iter=TASK_EPOCHS,
                random_state=seed,
            ),
            x,
            labels,
            weight,
        )
        for seed in range(TASK_NETS)
    ]
    return TaskModel(
        names=tuple(str(name) for name in nets[0].classes_), net=_merged(nets, slice(None))
    )


def fit_quality(x: Floats, targets: Floats) -> Net:
    """All columns of `targets` train it, the outputs are the first two.

    The other columns (other models' scores, which benchmark it is) make the hidden layer learn what
    makes a question hard, from more than one model's luck.
    """
    nets = [
        _fitted(
            MLPRegressor(
                hidden_layer_sizes=(HIDDEN,),
                alpha=0.3,
                batch_size=min(64, len(x)),  # pyright: ignore[reportArgumentType]  # as above
                max_iter=QUALITY_EPOCHS,
                random_state=seed,
            ),
            x,
            targets,
        )
        for seed in range(QUALITY_NETS)
    ]
    return _merged(nets, slice(2))


def _fitted(net: Any, x: Floats, *rest: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
        return net.fit(x * INPUT_SCALE, *rest)


def _merged(nets: Sequence[Any], outputs: slice) -> Net:
    """The mean of several nets as one wide net."""
    return Net(
        hidden_weights=np.hstack([n.coefs_[0] * INPUT_SCALE for n in nets]).astype(np.float32),
        hidden_bias=np.hstack([n.intercepts_[0] for n in nets]).astype(np.float32),
        output_weights=np.vstack([n.coefs_[1][:, outputs] / len(nets) for n in nets]).astype(
            np.float32
        ),
        output_bias=np.mean([n.intercepts_[1][outputs] for n in nets], axis=0).astype(np.float32),
    )
