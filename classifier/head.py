"""The trained head: embedding and form in, task and chances out. NumPy only."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from classifier.assessment import Task
from classifier.bag import BAG_DIGEST
from classifier.calibrate import softmax
from classifier.correction import Correction, correction_of
from classifier.embedding import INSTRUCTION, LAYERS, WHOLE
from classifier.features import FORM_DIGEST
from classifier.quality import Quality, quality_of

Floats: TypeAlias = NDArray[np.float32]
Arrays: TypeAlias = Mapping[str, NDArray[Any]]

EMBEDDING_SCALE = 10.0  # brings the embedding's numbers (about 0.05) near those of the form
NET_FIELDS = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
# What the inputs are made by: a head, and what was stored for it, fits no others.
INPUTS_DIGEST = f"{crc32(repr((FORM_DIGEST, LAYERS, WHOLE, INSTRUCTION, BAG_DIGEST)).encode()):08x}"
FORM_LIMIT = 4.0  # standard deviations; an odd prompt may not shout down the embedding


class HeadMismatch(Exception):
    """The head's file was trained for other features than this code computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the head says of one request."""

    tasks: dict[Task, float]
    p_fast: float  # calibrated chance that the fast answer is about as good as the deep one
    p_right: float  # calibrated chance that it is right, whatever the deep tier would say
    gain: float  # expected quality that the deep tier adds, on the pair it was trained with


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """One hidden layer of rectified units, linear outputs."""

    hidden_weights: Floats
    hidden_bias: Floats
    output_weights: Floats
    output_bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Outputs of one row or of many."""
        hidden = np.maximum(x @ self.hidden_weights + self.hidden_bias, 0)
        return hidden @ self.output_weights + self.output_bias


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A net for the task, and what says whether the fast tier is enough."""

    mean: Floats
    spread: Floats
    tasks: Net  # a logit per name
    task_names: tuple[Task, ...]
    task_scale: float
    quality: Quality
    meta: Mapping[str, Any]
    learned: Correction = Correction()  # noqa: RUF009 - frozen

    @property
    def version(self) -> str:
        """Name of this training, e.g. `minilm-v1`."""
        return str(self.meta["version"])

    def read(self, embedding: Floats, form: Floats, instruction: Floats, text: str = "") -> Reading:
        """Task probabilities and quality of one request, from embeddings of it and of its instruction.

        Without its text its words say nothing about quality.
        """
        x = inputs(embedding[None], form[None], self.mean, self.spread)[0]
        asked = task_inputs(x[None], instruction[None])[0]
        tasks = softmax(self.tasks(asked) * self.task_scale)
        chances = self.quality.read(x, text)
        return Reading(
            tasks=dict(zip(self.task_names, tasks.tolist(), strict=True)),
            p_fast=float(self.learned(chances.p_fast, x)),
            p_right=chances.p_right,
            gain=chances.gain,
        )


def inputs(embeddings: Floats, forms: Floats, mean: Floats, spread: Floats) -> Floats:
    """Rows for the head: scaled embedding, then standardised form."""
    standard = np.clip((forms - mean) / spread, -FORM_LIMIT, FORM_LIMIT)
    return np.hstack([embeddings * EMBEDDING_SCALE, standard]).astype(np.float32)


def task_inputs(x: Floats, instructions: Floats) -> Floats:
    """Rows for the task net: what the quality net gets, then the instruction's embedding."""
    return np.hstack([x, instructions * EMBEDDING_SCALE]).astype(np.float32)


def load(data: bytes) -> Head:
    """A head from the bytes of its .npz file."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays: Arrays = {name: file[name] for name in file.files}
    meta = cast("dict[str, Any]", json.loads(str(arrays["meta"])))
    if meta.get("inputs") != INPUTS_DIGEST:
        raise HeadMismatch(
            f"head {meta['version']} was trained for other features: run scripts/train again"
        )
    return Head(
        mean=arrays["mean"],
        spread=arrays["spread"],
        tasks=_net(arrays, "tasks"),
        quality=quality_of(arrays),
        task_names=tuple(meta["tasks"]),
        task_scale=float(meta["task_scale"]),
        meta=meta,
        learned=correction_of(arrays),
    )


def amended(
    data: bytes,
    at: datetime,
    *,
    arrays: Arrays | None = None,
    meta: Mapping[str, Any] | None = None,
) -> bytes:
    """The same file with these arrays and entries in it, and a version of its own."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        kept: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
    told: dict[str, Any] = {**json.loads(str(kept["meta"])), **(meta or {})}
    told["version"] = f"{told['version'].partition('+')[0]}+{at:%Y%m%d.%H%M}"
    kept |= {**(arrays or {}), "meta": np.asarray(json.dumps(told))}
    new = io.BytesIO()
    np.savez_compressed(new, allow_pickle=False, **kept)
    return new.getvalue()


def _net(arrays: Arrays, name: str) -> Net:
    return Net(**{field: arrays[f"{name}.{field}"].astype(np.float32) for field in NET_FIELDS})


@cache
def load_shipped() -> Head:
    """The head in classifier/data, read once."""
    return load(files("classifier").joinpath("data/head.npz").read_bytes())
