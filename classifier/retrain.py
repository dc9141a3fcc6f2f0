"""Learning from traffic: a correction of the head's chance, kept only if it is shown to be better.

A few hundred verdicts cannot teach a head from scratch what tens of thousands of measured answers
taught it, but they tell how this pair of models does on this traffic. So the trained head stays as it
is, and a logistic layer goes on top: its chance (in logits) times a scale, plus a shift, plus a weight
for each of the head's inputs. Priors pull the layer towards changing nothing: with little data only
scale and shift move (which is Platt's calibration), with more the weights do, as far as held-out
samples ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import EPSILON, logit, sigmoid
from classifier.correction import Correction, arrays_of
from classifier.features import FORM_NAMES
from classifier.head import INPUTS_DIGEST, Head, HeadMismatch, amended, inputs, load
from classifier.measures import log_losses, mean_interval
from models.errors import ConfigError

Floats: TypeAlias = NDArray[np.float64]

LEAST: Final = 100  # samples
LEAST_OF_A_KIND: Final = 10  # of those where fast was enough, and of the others
_MOST: Final = 20_000  # the newest; more would cost minutes and move nothing
_FOLDS: Final = 5
_STEPS: Final = 6
_CONFIDENCE: Final = 0.95
# Precisions of the normal priors. `None`: no weights at all.
_SCALE: Final = 10.0
_SHIFT: Final = 1.0
_WEIGHTS: Final[tuple[float | None, ...]] = (None, 300.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One request and whether the fast tier's answer was good enough (0..1)."""

    embedding: bytes  # float32, as the classifier computed them
    form: bytes
    features: str  # what made them
    good: float
    gain: float | None = None  # as the head said it of the text; None: told anew, without its words
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A candidate beside the head in use, both on samples that the candidate did not see."""

    data: bytes  # the new head's file
    samples: int
    old_loss: float  # log loss
    new_loss: float
    low: float  # of new less old, 90 % between them
    high: float
    better: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lessons as columns."""

    x: NDArray[np.float32]
    z: Floats  # logit of the trained chance, before anything was learned
    now: Floats  # the chance in use
    good: Floats
    weight: Floats
    group: NDArray[np.int64]  # the same prompt may not stand on both sides of a fold

    def __getitem__(self, chosen: NDArray[Any]) -> _Rows:
        return _Rows(
            self.x[chosen],
            self.z[chosen],
            self.now[chosen],
            self.good[chosen],
            self.weight[chosen],
            self.group[chosen],
        )


def retrain(data: bytes, lessons: Sequence[Lesson], *, at: datetime, seed: int = 0) -> Retrained:
    """A head that has learned these lessons, judged by cross-validation against the one in `data`.

    Raises `ConfigError` with a sentence when nothing can be learned from them.
    """
    head = _head(data)
    rows = _rows(head, _usable(lessons))
    chance = np.random.default_rng(seed)
    held_out = _held_out(rows, chance)
    old, new = log_losses(rows.now, rows.good), log_losses(held_out, rows.good)
    low, high = mean_interval(new - old, rows.weight, _CONFIDENCE, chance)
    final = _fit(rows, _strength(rows, chance))
    old_loss, new_loss = (float(np.average(loss, weights=rows.weight)) for loss in (old, new))
    return Retrained(
        data=amended(data, at, arrays=arrays_of(final)),
        samples=rows.good.size,
        old_loss=old_loss,
        new_loss=new_loss,
        low=low,
        high=high,
        better=high < 0,
        sentence=_sentence(rows.good.size, old_loss, new_loss, low, high),
    )


def keep(path: Path, data: bytes, at: datetime) -> Path | None:
    """Put a head's file in its place; where the old one is now, if there was one."""
    old = None
    if path.exists():
        old = path.with_name(f"{path.stem}-{at:%Y%m%d-%H%M%S}{path.suffix}")
        old.write_bytes(path.read_bytes())
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)  # a server that starts meanwhile finds one of the two, whole
    return old


# -- what can be learned from -------------------------------------------------------------------


def _head(data: bytes) -> Head:
    try:
        return load(data)
    except HeadMismatch as error:
        raise ConfigError(f"The head cannot be retrained: {error}.") from None


def _usable(lessons: Sequence[Lesson]) -> list[Lesson]:
    """The newest of those that this head can read; refuses what it could not learn from."""
    if not lessons:
        raise ConfigError(
            "Nothing to learn from: no stored request has feedback or was compared. Send "
            "/v1/feedback, or set shadow_rate in [learning]."
        )
    wrong = next((lesson for lesson in lessons if not 0 <= lesson.good <= 1), None)
    if wrong is not None:
        raise ConfigError(f"A sample has the quality {wrong.good:g}: it must be between 0 and 1.")
    readable = [lesson for lesson in lessons if lesson.features == INPUTS_DIGEST]
    if not readable:
        raise ConfigError(
            f"All {len(lessons)} samples were recorded for another version of the head "
            f"(features {lessons[-1].features or 'unknown'}, this one reads {INPUTS_DIGEST}): "
            "collect new ones with this version."
        )
    if len(readable) < LEAST:
        raise ConfigError(
            f"Too little data: {len(readable)} samples, and {LEAST} are needed at least."
        )
    enough = sum(lesson.good >= 0.5 for lesson in readable)
    if min(enough, len(readable) - enough) < LEAST_OF_A_KIND:
        what = "good enough" if enough > len(readable) / 2 else "not good enough"
        few = min(enough, len(readable) - enough)
        raise ConfigError(
            f"One class only: in all but {few} of {len(readable)} samples the fast answer was "
            f"{what}. At least {LEAST_OF_A_KIND} of each kind are needed to tell them apart."
        )
    return readable[-_MOST:]


def _rows(head: Head, lessons: Sequence[Lesson]) -> _Rows:
    embeddings = np.stack([np.frombuffer(lesson.embedding, np.float32) for lesson in lessons])
    forms = np.stack([np.frombuffer(lesson.form, np.float32) for lesson in lessons])
    if forms.shape[1] != len(FORM_NAMES):
        raise ConfigError("A sample's form has another length than this version computes.")
    x = inputs(embeddings, forms, head.mean, head.spread)
    trained = np.asarray([_trained(head, *pair) for pair in zip(lessons, x, strict=True)])
    prompts: dict[bytes, int] = {}
    group = [prompts.setdefault(lesson.embedding, len(prompts)) for lesson in lessons]
    return _Rows(
        x=x,
        z=logit(trained),
        now=head.learned(trained, x),
        good=np.asarray([lesson.good for lesson in lessons]),
        weight=np.asarray([lesson.weight for lesson in lessons]),
        group=np.asarray(group),
    )


def _trained(head: Head, lesson: Lesson, x: NDArray[np.float32]) -> float:
    if lesson.gain is not None:
        return head.quality.p_fast(lesson.gain)
    return head.quality.read(x).p_fast


# -- the fit ------------------------------------------------------------------------------------


def _fit(rows: _Rows, strength: float | None) -> Correction:
    """The most likely layer under the priors, by Newton's method."""
    x = rows.x.astype(np.float64) if strength is not None else np.zeros((rows.z.size, 0))
    design = np.hstack([rows.z[:, None], np.ones((rows.z.size, 1)), x])
    prior = np.zeros(design.shape[1])
    prior[0] = 1.0
    diagonal = np.asarray([_SCALE, _SHIFT] + [strength or 0.0] * x.shape[1])
    layer = prior.copy()
    for _ in range(_STEPS):
        p = sigmoid(design @ layer)
        curvature = rows.weight * np.maximum(p * (1 - p), EPSILON)
        hessian = design.T @ (design * curvature[:, None])
        hessian[np.diag_indices_from(hessian)] += diagonal
        slope = design.T @ (rows.weight * (p - rows.good)) + diagonal * (layer - prior)
        layer = layer - np.linalg.solve(hessian, slope)
    # A layer may not turn the trained order round.
    return Correction(scale=max(float(layer[0]), 0.0), shift=float(layer[1]), weights=layer[2:])


def _corrected(correction: Correction, rows: _Rows) -> Floats:
    return correction(sigmoid(rows.z), rows.x)


def _held_out(rows: _Rows, chance: np.random.Generator) -> Floats:
    """For each row the chance that a layer says which saw none of its fold."""
    fold = chance.integers(_FOLDS, size=int(rows.group.max()) + 1)[rows.group]
    said = rows.now.copy()
    for number in range(_FOLDS):
        seen = rows[fold != number]
        unseen = rows[fold == number]
        said[fold == number] = _corrected(_fit(seen, _strength(seen, chance)), unseen)
    return said


def _strength(rows: _Rows, chance: np.random.Generator) -> float | None:
    """The prior under which a fifth of the rows is told best by the rest."""
    aside = (chance.random(int(rows.group.max()) + 1) < 1 / _FOLDS)[rows.group]
    if not aside.any() or aside.all():
        return None
    rest, held = rows[~aside], rows[aside]

    def loss(strength: float | None) -> float:
        losses = log_losses(_corrected(_fit(rest, strength), held), held.good)
        return float(np.average(losses, weights=held.weight))

    return min(_WEIGHTS, key=loss)


def _sentence(samples: int, old: float, new: float, low: float, high: float) -> str:
    found = (
        f"on {samples} samples that it did not see, log loss {old:.4f} before and {new:.4f} after "
        f"(difference {new - old:+.4f}, 90 % of resamplings between {low:+.4f} and {high:+.4f})"
    )
    if high < 0:
        return f"The retrained head is better: {found}."
    return f"The retrained head is not shown to be better, so the old one stays: {found}."
