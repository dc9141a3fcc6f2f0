"""Trains the head and writes it with its report: `python -m scripts.training --data FOLDER`."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from classifier.calibrate import Platt
from classifier.embedding import INSTRUCTION, LAYERS, WHOLE, Encoder, MiniLmEncoder, Window
from classifier.features import form
from classifier.head import INPUTS_DIGEST, NET_FIELDS, Floats, inputs, task_inputs
from classifier.quality import Quality, arrays_of
from classifier.text import Ask, instruction
from scripts.training import rows
from scripts.training.evaluate import Judged, leave_one_benchmark_out, pair_figures
from scripts.training.made import FILLERS, made
from scripts.training.quality import Material, cross_fit, fit_quality
from scripts.training.report import Figures, render
from scripts.training.tasks import TaskModel, Tasks

VERSION = "minilm-v3"  # raise it, and the date, with every head that ships
RELEASED = "2026-11-29"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What goes into head.npz."""

    mean: Floats
    spread: Floats
    tasks: TaskModel
    task_scale: float
    quality: Quality


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
        trained, figures = train(given.data, MiniLmEncoder(), given.cache)
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
    embeddings = embed(asks, encoder, cache)
    x = inputs(embeddings, forms, mean, spread)
    x_pair, x_other, x_public, x_own, x_made = np.split(x, ends[:-1])

    material = Material.of(pair, own, x_pair, x_own)
    crossed = cross_fit(material)
    wanted = embed_instructions(asks[ends[1] :], embeddings[ends[1] :], encoder, cache)
    x_tasks = task_inputs(np.vstack([x_public, x_own, x_made]), wanted)
    tasks = Tasks.of(public, own, further, x_tasks)
    trained = Trained(
        mean=mean,
        spread=spread,
        tasks=tasks.model,
        task_scale=tasks.scale,
        quality=fit_quality(material, crossed),
    )
    judged = Judged.of(pair, crossed)
    compared = Judged.of(other, cross_fit(Material.of(other, [], x_other, x_own[:0])))
    dev, other_dev = (np.array([row.fold == 0 for row in part]) for part in (pair, other))
    figures = Figures(
        version=VERSION,
        released=RELEASED,
        data=described(folder),
        qwen_dev=pair_figures(judged.only(dev)),
        qwen_all=pair_figures(judged),
        routellm_dev=pair_figures(compared.only(other_dev)),
        routellm_all=pair_figures(compared),
        benchmarks=leave_one_benchmark_out(material),
        tasks_pooled=tasks.pooled,
        tasks_unseen=tasks.unseen,
        tasks_own=tasks.own,
        task_scale=tasks.scale,
    )
    return trained, figures


def embed(
    asks: Sequence[Ask], encoder: Encoder, cache: Path | None, window: Window = WHOLE
) -> Floats:
    """An embedding per ask, rounded, so that the last bit does not matter."""
    known = _cached(cache)
    keys = {ask.full: _key(ask.full, window) for ask in asks}
    missing = [text for text, key in keys.items() if key not in known]
    for text in track(missing, "Embedding", console=Console(stderr=True)):
        known[keys[text]] = np.round(encoder.encode([text], window)[0], 4)
    if cache and missing:
        np.savez(cache, keys=np.array(list(known)), rows=np.stack(list(known.values())))
    return np.stack([known[keys[ask.full]] for ask in asks])


def embed_instructions(
    asks: Sequence[Ask], wholes: Floats, encoder: Encoder, cache: Path | None
) -> Floats:
    """What the task net reads beside the wholes: of short asks the same again, as when it decides."""
    wanted = [Ask(text=instruction(ask.full)) for ask in asks]
    same = [part.full == ask.full for part, ask in zip(wanted, asks, strict=True)]
    found = wholes.copy()
    long = ~np.array(same)
    parts = [part for part, is_long in zip(wanted, long, strict=True) if is_long]
    if parts:
        found[long] = embed(parts, encoder, cache, INSTRUCTION)
    return found


def _key(text: str, window: Window) -> str:
    read = f"{LAYERS} {window.head} {window.tail} {text}"
    return hashlib.sha256(read.encode("utf-8", "replace")).hexdigest()


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
        "inputs": INPUTS_DIGEST,
        "fast_model": rows.FAST,
        "deep_model": rows.DEEP,
        "judge": asdict(Platt()),  # identity: the judge has not been calibrated yet
        "data": {name: digest for name, (_, digest) in figures.data.items()},
        "metrics": metrics(figures),
    }
    net = trained.tasks.net
    arrays: dict[str, Any] = {
        "meta": np.array(json.dumps(meta, sort_keys=True)),
        "mean": trained.mean,
        "spread": trained.spread,
        **{f"tasks.{field}": getattr(net, field).astype(np.float16) for field in NET_FIELDS},
        **arrays_of(trained.quality),
    }
    np.savez_compressed(path, **arrays)


def metrics(figures: Figures) -> dict[str, float]:
    """The headline figures, rounded."""
    dev = figures.qwen_dev
    found = {
        "qwen7b_dev_apgr": dev.by_p_fast["APGR"],
        "qwen7b_dev_ece": dev.ece,
        "qwen7b_all_ece": figures.qwen_all.ece,
        "qwen7b_within": figures.qwen_all.within,
        "routellm_dev_apgr": figures.routellm_dev.by_p_fast["APGR"],
        "tasks_unseen_source": figures.tasks_unseen.accuracy,
        "tasks_own": figures.tasks_own.accuracy,
    }
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
