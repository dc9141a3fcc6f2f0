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
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor

from classifier.head import Floats

Net: TypeAlias = tuple[Floats, Floats, Floats, Floats]
Mask: TypeAlias = NDArray[np.bool_]

NETS = 3  # averaged
HIDDEN = 64
EPOCHS = 15
INPUT_SCALE = 1 / 3  # of the head's inputs: keeps Adam's first steps small
SOURCE_ROWS = 60  # a source counts as at most so many prompts
OWN_WEIGHT = 6.0  # one of our own prompts counts as so many


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskModel:
    """Softmax regression: a row of inputs to a logit per task."""

    names: tuple[str, ...]
    weights: Floats
    bias: Floats

    def logits(self, x: Floats) -> Floats:
        """A column per task."""
        return x @ self.weights + self.bias


def fit_tasks(x: Floats, tasks: Sequence[str], sources: Sequence[str]) -> TaskModel:
    """Weighted so that neither a big source nor a frequent task decides."""
    counts = Counter(sources)
    weight = np.array(
        [OWN_WEIGHT if s == "own" else min(1.0, SOURCE_ROWS / counts[s]) for s in sources]
    )
    labels = np.asarray(tasks)
    totals = {str(task): float(weight[labels == task].sum()) for task in np.unique(labels)}
    weight = weight / np.sqrt([totals[task] for task in tasks])
    model: Any = LogisticRegression(C=1e-3, max_iter=300, tol=1e-4)
    model.fit(x, labels, sample_weight=weight * (len(tasks) / weight.sum()))
    return TaskModel(
        names=tuple(str(name) for name in model.classes_),
        weights=np.asarray(model.coef_.T, np.float32),
        bias=np.asarray(model.intercept_, np.float32),
    )


def fit_quality(x: Floats, targets: Floats) -> Net:
    """One hidden layer, averaged over seeds. All columns of `targets` train it, the first two stay.

    The other columns (other models' scores, which benchmark it is) make the hidden layer learn what
    makes a question hard, from more than one model's luck.
    """
    nets: list[Any] = []
    for seed in range(NETS):
        net: Any = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,),
            alpha=1.0,
            batch_size=min(64, len(x)),  # pyright: ignore[reportArgumentType]  # guessed from the default "auto"
            max_iter=EPOCHS,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
            nets.append(net.fit(x * INPUT_SCALE, targets))
    return (
        np.hstack([net.coefs_[0] * INPUT_SCALE for net in nets]).astype(np.float32),
        np.hstack([net.intercepts_[0] for net in nets]).astype(np.float32),
        np.vstack([net.coefs_[1][:, :2] / NETS for net in nets]).astype(np.float32),
        np.mean([net.intercepts_[1][:2] for net in nets], axis=0).astype(np.float32),
    )


def run_quality(net: Net, x: Floats) -> Floats:
    """Columns: fast quality, gain."""
    hidden_weights, hidden_bias, output_weights, output_bias = net
    return np.maximum(x @ hidden_weights + hidden_bias, 0) @ output_weights + output_bias
