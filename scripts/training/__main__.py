"""Trains the head and writes it with its report: `python -m scripts.training --data FOLDER`."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from classifier.calibrate import Isotonic, Platt
from classifier.embedding import Encoder, MiniLmEncoder
from classifier.features import FORM_DIGEST, form
from classifier.head import NET_FIELDS, Floats, Net, inputs, task_inputs
from classifier.text import Ask, instruction
from scripts.training import evaluate, rows
from scripts.training.fit import Mask, fit_quality
from scripts.training.made import FILLERS, made
from scripts.training.report import Figures, render
from scripts.training.tasks import TaskModel, Tasks

VERSION = "minilm-v1"  # raise it, and the date, with every head that ships
RELEASED = "2026-11-24"
OWN_COPIES = 3  # how often each of our own prompts is trained on, beside the measured questions
DEEP_GUESS = 0.95  # a large model's quality on our own prompts, as a guess
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What goes into head.npz."""

    mean: Floats
    spread: Floats
    tasks: TaskModel
    task_scale: float
    net: Net
    calibration: Isotonic
    gain: Platt


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the data, trains, judges, writes."""
    parser = argparse.ArgumentParser(prog="scripts/train", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the *_train.jsonl files"
    )
    parser.add_argument("--out", type=Path, default=Path("classifier/data"))
    parser.add_argument("--cache", type=Path, help="keep embeddings in this .npz between runs")
    given = parser.parse_args(arguments)
    with threadpool_limits(1):  # sums in a fixed order
        trained, figures = train(
            given.data, MiniLmEncoder(precision="float32", threads=2), given.cache
        )
    given.out.mkdir(parents=True, exist_ok=True)
    save(given.out / "head.npz", trained, figures)
    (given.out / "report.md").write_text(render(figures), encoding="utf-8")


def train(folder: Path, encoder: Encoder, cache: Path | None = None) -> tuple[Trained, Figures]:
    """The head, and what it is worth."""
    pair, other = rows.qwen(folder), rows.routellm(folder)
    public, own = rows.tasks(folder), rows.own()
    further = made(public)
    parts = [[row.ask for row in part] for part in (pair, other, public, own, further)]
    asks = [ask for part in parts for ask in part]
    ends = np.cumsum([len(part) for part in parts])
    forms = np.stack([form(ask) for ask in asks])
    mean = forms[ends[1] :].mean(
        axis=0
    )  # of the varied part, not of twelve thousand exam questions
    spread = np.maximum(forms[ends[1] :].std(axis=0), 1e-3)
    x = inputs(embed(asks, encoder, cache), forms, mean, spread)
    x_pair, x_other, x_public, x_own, x_made = np.split(x, ends[:-1])

    guessed = [row for row in own for _ in range(OWN_COPIES)]
    quality = Quality.of(pair, guessed, x_pair, np.repeat(x_own, OWN_COPIES, axis=0))
    instructions = embed([instruction_of(ask) for ask in asks[ends[1] :]], encoder, cache)
    x_tasks = task_inputs(np.vstack([x_public, x_own, x_made]), instructions)
    tasks = Tasks.of(public, own, further, x_tasks)
    trained = Trained(
        mean=mean,
        spread=spread,
        tasks=tasks.model,
        task_scale=tasks.scale,
        net=fit_quality(quality.x, quality.targets),
        calibration=evaluate.calibration(quality.crossed.fast, quality.good),
        gain=evaluate.gain_calibration(pair, quality.crossed.gain),
    )
    compared = Quality.of(other, [], x_other, x_own[:0])
    figures = Figures(
        version=VERSION,
        released=RELEASED,
        data=described(folder),
        qwen_dev=quality.figures(quality.folds == 0),
        qwen_all=quality.figures(quality.folds >= 0),
        routellm_dev=compared.figures(compared.folds == 0),
        routellm_all=compared.figures(compared.folds >= 0),
        benchmarks=evaluate.leave_one_benchmark_out(pair, quality.x, quality.targets),
        tasks_pooled=tasks.pooled,
        tasks_unseen=tasks.unseen,
        tasks_own=tasks.own,
        task_scale=tasks.scale,
    )
    return trained, figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One pair of models: inputs, targets and out-of-fold outputs."""

    pair: Sequence[rows.Outcome]
    x: Floats
    targets: Floats
    folds: NDArray[np.int_]
    good: Mask
    crossed: evaluate.Crossed
    p_fast: NDArray[np.float64]

    @classmethod
    def of(
        cls, pair: Sequence[rows.Outcome], own: Sequence[rows.Labelled], x: Floats, x_own: Floats
    ) -> Quality:
        """Trains a net per fold; our own prompts are in all of them."""
        targets = quality_targets(pair, own)
        folds = np.array([row.fold for row in pair])
        good = np.array([row.fast >= evaluate.GOOD for row in pair])
        both = np.vstack([x, x_own])
        crossed = evaluate.cross_fit(both, targets, folds, extra=len(own))
        return cls(
            pair=pair,
            x=both,
            targets=targets,
            folds=folds,
            good=good,
            crossed=crossed,
            p_fast=evaluate.cross_calibrate(crossed.fast, good, folds),
        )

    def figures(self, keep: Mask) -> evaluate.PairFigures:
        """Figures on some of the rows."""
        return evaluate.pair_figures(self.pair, self.crossed, self.p_fast, keep)


def quality_targets(pair: Sequence[rows.Outcome], own: Sequence[rows.Labelled]) -> Floats:
    """Columns: fast quality, gain, each measured model's score, which benchmark it is."""
    names = sorted({row.benchmark for row in pair})
    measured = [
        [
            row.fast,
            row.deep - row.fast,
            *row.scores,
            *(row.benchmark == name for name in names),
        ]
        for row in pair
    ]
    width = len(pair[0].scores)
    guessed = [
        [row.fast, DEEP_GUESS - row.fast, *([row.fast] * width), *([0.0] * len(names))]
        for row in own
    ]
    return np.asarray(measured + guessed, np.float32)


def instruction_of(ask: Ask) -> Ask:
    """What the task net reads beside the whole."""
    return Ask(text=instruction(ask.full))


def embed(asks: Sequence[Ask], encoder: Encoder, cache: Path | None) -> Floats:
    """An embedding per ask, like lengths together; rounded, so that the last bit does not matter."""
    known = _cached(cache)
    keys = {
        ask.full: hashlib.sha256(ask.full.encode("utf-8", "replace")).hexdigest() for ask in asks
    }
    missing = sorted((t for t in keys if keys[t] not in known), key=lambda t: (len(t), t))
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        for text, row in zip(batch, np.round(encoder.encode(batch), 4), strict=True):
            known[keys[text]] = row
    if cache and missing:
        np.savez(cache, keys=np.array(list(known)), rows=np.stack(list(known.values())))
    return np.stack([known[keys[ask.full]] for ask in asks])


def _cached(cache: Path | None) -> dict[str, Floats]:
    if cache is None or not cache.exists():
        return {}
    with np.load(cache, allow_pickle=False) as kept:
        return dict(zip(kept["keys"].tolist(), kept["rows"], strict=True))


def described(folder: Path) -> dict[str, tuple[int, str]]:
    """Rows and digest of each file that was used."""
    paths = [folder / f"{name}.jsonl" for name in rows.FILES]
    paths += [rows.OWN, rows.INSTRUCTIONS, FILLERS]
    return {
        path.name: (
            path.read_bytes().count(b"\n"),
            hashlib.sha256(path.read_bytes()).hexdigest()[:12],
        )
        for path in paths
    }


def save(path: Path, trained: Trained, figures: Figures) -> None:
    """One .npz without dates, so that the same training gives the same bytes."""
    meta = {
        "version": figures.version,
        "released": figures.released,
        "tasks": trained.tasks.names,
        "task_scale": trained.task_scale,
        "form": FORM_DIGEST,
        "fast_model": rows.FAST,
        "deep_model": rows.DEEP,
        "gain": asdict(trained.gain),
        "judge": asdict(Platt()),  # identity: the judge has not been calibrated yet
        "data": {name: digest for name, (_, digest) in figures.data.items()},
        "metrics": metrics(figures),
    }
    nets = {"tasks": trained.tasks.net, "quality": trained.net}
    np.savez_compressed(
        path,
        meta=np.array(json.dumps(meta, sort_keys=True)),
        mean=trained.mean,
        spread=trained.spread,
        fast_scores=trained.calibration.scores,
        fast_values=trained.calibration.values,
        **{
            f"{name}.{field}": getattr(net, field).astype(np.float16)
            for name, net in nets.items()
            for field in NET_FIELDS
        },
    )


def metrics(figures: Figures) -> dict[str, float]:
    """The headline figures, rounded."""
    dev = figures.qwen_dev
    found = {
        "qwen7b_dev_apgr": dev.by_gain["APGR"],
        "qwen7b_dev_apgr_p_fast": dev.by_fail["APGR"],
        "qwen7b_dev_auroc": dev.auroc,
        "qwen7b_dev_ece": dev.ece,
        "routellm_dev_apgr": figures.routellm_dev.by_gain["APGR"],
        "tasks_unseen_source": figures.tasks_unseen.accuracy,
        "tasks_own": figures.tasks_own.accuracy,
    }
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
