"""The quality net, fitted with scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from classifier.head import Floats, Net

Mask: TypeAlias = NDArray[np.bool_]

HIDDEN = 64
QUALITY_NETS = 5  # averaged
QUALITY_EPOCHS = 15
INPUT_SCALE = 1 / 3  # of the head's inputs: keeps Adam's first steps small


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
                batch_size=min(64, len(x)),  # pyright: ignore[reportArgumentType]  # guessed from the default "auto"
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
