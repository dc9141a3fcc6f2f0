"""Writes what drift is measured against: `python -m scripts.training.baseline --data FOLDER`, after each new head.

Scores and tasks are those of our own prompts (`own_prompts.jsonl`), by the shipped head as it runs.
Embeddings are of all training data, of each source as many: two prompts of three become prototypes
(k-means), the distances of the others to the nearest one are kept (classifier/tuning/distance.py).
Nothing of an encoder is written down here: another one is followed by running this again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from classifier.assessment import Assessment
from classifier.embedding_classifier import EmbeddingClassifier, load_default
from classifier.tuning.distance import Prototypes, centred
from classifier.tuning.drift import summarise
from models.chat import ChatRequest, Message, Text
from scripts.training import rows

OUT = Path("classifier/data/baseline.json")
MAP = Path("classifier/data/prototypes.npz")
A_SOURCE = 120  # prompts, so that twelve thousand exam questions do not stand for everything
PROTOTYPES = 512
STEPS = 127  # eight bits a number


def main(arguments: Sequence[str] | None = None) -> None:
    """Classifies and writes."""
    parser = argparse.ArgumentParser(prog="baseline", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the *_train.jsonl files"
    )
    given = parser.parse_args(arguments)
    own = [row.ask.full for row in rows.own()]
    others = sampled(given.data)
    name, found = asyncio.run(_assess([*own, *others]))
    ours = found[: len(own)]
    baseline = summarise(name, np.array([a.p_fast for a in ours]), [a.task for a in ours])
    table = {
        "classifier": baseline.classifier,
        "p_fast": baseline.p_fast.round(4).tolist(),
        "tasks": {task: round(share, 4) for task, share in baseline.tasks.items()},
    }
    OUT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    with threadpool_limits(1):  # sums in a fixed order
        save(MAP, mapped(np.stack([np.frombuffer(a.embedding, np.float32) for a in found])))


def sampled(folder: Path) -> list[str]:
    """Prompts of each public source, the same ones each time: by their hash."""
    by_source: dict[str, set[str]] = {}
    for row in rows.tasks(folder):
        by_source.setdefault(row.source, set()).add(row.ask.full)
    for outcome in (*rows.qwen(folder), *rows.routellm(folder)):
        by_source.setdefault(outcome.benchmark.partition("/")[0], set()).add(outcome.ask.full)
    return [
        prompt
        for _, prompts in sorted(by_source.items())
        for prompt in sorted(prompts, key=_digest)[:A_SOURCE]
    ]


def _digest(prompt: str) -> bytes:
    return hashlib.sha256(prompt.encode("utf-8", "replace")).digest()


def mapped(embeddings: NDArray[np.float32]) -> Prototypes:
    """Prototypes of two rows of three, and how far the others lie from them."""
    rest = np.arange(len(embeddings)) % 3 == 2
    clusters: Any = KMeans(PROTOTYPES, random_state=0)  # untyped
    centre = embeddings.mean(axis=0).astype(np.float16).astype(np.float32)
    around = centred(embeddings[~rest], centre)
    means: NDArray[np.float32] = clusters.fit(around).cluster_centers_
    bits = _bits(means).astype(np.float32)
    found = Prototypes(
        rows=bits / np.linalg.norm(bits, axis=1, keepdims=True), centre=centre, known=np.zeros(0)
    )
    return replace(found, known=found.nearest(embeddings[rest]))


def save(path: Path, prototypes: Prototypes) -> None:
    """In eight and sixteen bits."""
    known = np.sort(prototypes.known).astype(np.float16)
    centre = prototypes.centre.astype(np.float16)
    np.savez_compressed(path, rows=_bits(prototypes.rows), centre=centre, known=known)


def _bits(found: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.asarray(np.rint(found / np.abs(found).max(axis=1, keepdims=True) * STEPS), np.int8)


async def _assess(prompts: Iterable[str]) -> tuple[str, list[Assessment]]:
    classifier = load_default()
    try:
        return classifier.name, [await _one(classifier, prompt) for prompt in prompts]
    finally:
        await classifier.aclose()


async def _one(classifier: EmbeddingClassifier, prompt: str) -> Assessment:
    turn = Message(role="user", parts=(Text(text=prompt),))
    return await classifier.assess(ChatRequest(model="auto", messages=(turn,)))


if __name__ == "__main__":
    main()
