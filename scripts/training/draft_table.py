"""Collected drafts as one small table without prompts: what `scripts.bench.routing_draft` reads.

    python -m scripts.training.draft_table --data ../shared/routing --model NAME --drafts FILE.jsonl --out TABLE.npz

With `--table TABLE.npz` the rows of that table stay, new drafts join them, and the prompt-only chances
are computed again for all: also the way to bring a table to a new encoder, then without `--drafts`.

A row is a question: signals of the draft's first sentence, whether the draft was right, and the
prompt-only chance of that by nets of the shipped head's kind (MiniLM embedding and form of the
question as it was asked), once from other folds, once from other benchmarks.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from classifier.calibrate import fit_platt
from classifier.draft import DraftSignals, entropy
from classifier.embedding import Encoder, MiniLmEncoder
from classifier.features import form
from classifier.head import Floats, inputs
from classifier.text import Ask
from models.stream import TokenLogprob
from router.sentences import first_boundary
from scripts.training.drafts import kept, keys
from scripts.training.questions import Question, Raw, questions, same
from scripts.training.rows import fold_of, plain_ask

Doubles = NDArray[np.float64]

BATCH = 64
NETS = 5  # averaged, as for the head
MISSING = float("nan")
PROMPTS = ("prompt", "prompt_unseen")  # columns that the prompts alone give


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question and its draft."""

    question: Question
    right: bool
    columns: dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, compute, write."""
    parser = argparse.ArgumentParser(prog="draft_table", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--drafts", type=Path, nargs="*", default=(), help="collected lines")
    parser.add_argument(
        "--table", type=Path, help="an earlier table of this model, whose rows stay"
    )
    parser.add_argument("--model", required=True, help="whose drafts they are, for the table")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    known = {question.key: question for question in questions(given.data)}
    lines = {line["key"]: line for path in given.drafts for line in kept(path)}
    asked = [(known[key], line) for key, line in lines.items() if key in known]
    new = [row_of(question, line) for question, line in asked if not cut(question, line)]
    rows = [*{row.question.key: row for row in (*earlier(given.table, known), *new)}.values()]
    rows.sort(key=lambda row: row.question.key)
    encoder = MiniLmEncoder()
    save(given.out, rows, prompt_only(rows, encoder), given.model)


def earlier(table: Path | None, known: Mapping[str, Question]) -> Iterator[Row]:
    """The rows of a table that are still questions; what the prompts alone told then is dropped."""
    if table is None:
        return
    with np.load(table, allow_pickle=False) as file:
        names: list[str] = json.loads(str(file["meta"]))["columns"]
        numbers = file["numbers"].astype(np.float64).tolist()
        right = file["right"].tolist()
    for key, was_right, values in zip(keys(table), right, numbers, strict=True):
        if key not in known:
            continue
        columns = dict(zip(names, values, strict=True))
        told = {name: value for name, value in columns.items() if name not in PROMPTS}
        yield Row(question=known[key], right=was_right, columns=told)


def cut(question: Question, line: Raw) -> bool:
    """Left out: nobody knows whether the rest would have been right."""
    return line["finish"] == "length" and question.cut_inside(line["text"])


def row_of(question: Question, line: Raw) -> Row:
    """The collector's line as numbers."""
    tokens = list(sentence(line))
    columns = {
        name: MISSING if value is None else float(value)
        for name, value in DraftSignals.of(tokens).named().items()
    }
    return Row(
        question=question,
        right=line["right"] or question.right(line["text"]),
        columns={**columns, **_details(tokens), **_dear(line)},
    )


def sentence(line: Raw) -> Iterator[TokenLogprob]:
    """The tokens of the first sentence, as the gate takes them; the end mark is not one."""
    tokens = [
        TokenLogprob(token, logprob, tuple((other, chance) for other, chance in top))
        for token, logprob, top in line["tokens"]
        if not (token.startswith("<|") and token.endswith("|>"))
    ]
    text = "".join(token.token for token in tokens)
    end = first_boundary(text, complete=line["finish"] == "stop") or len(text)
    seen = 0
    for token in tokens:
        if seen >= end:
            return
        seen += len(token.token)
        yield token


def _details(tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    """Other readings of the same tokens, to be compared."""
    found = [token.logprob for token in tokens]
    listed = [entropy(token.top) for token in tokens if len(token.top) > 1]
    return {
        "length": float(len(found)),
        **{f"mean_{n}": float(np.mean(found[:n])) if found else MISSING for n in (1, 8, 16)},
        **{f"entropy_{n}": float(np.mean(listed[:n])) if listed else MISSING for n in (1, 4, 8)},
    }


def _dear(line: Raw) -> dict[str, float]:
    """What cost more requests; missing where they were not made."""
    samples: list[str] = line.get("samples", [])
    doubt: dict[str, float] = line.get("yes") or {}
    letters: dict[str, float] = line.get("letters") or {}
    chances = sorted(letters.values())
    alike = [same(sample, line["text"]) for sample in samples]
    return {
        "agreement": float(np.mean(alike)) if alike else MISSING,
        "p_true": doubt["Yes"] - doubt["No"] if len(doubt) == 2 else MISSING,
        "choice_gap": chances[-1] - chances[-2] if len(chances) > 1 else MISSING,
    }


def prompt_only(rows: Sequence[Row], encoder: Encoder) -> dict[str, Doubles]:
    """Chances of a right draft from the prompt alone, each by nets that did not see its group."""
    asks = [plain_ask(row.question.asked) for row in rows]
    forms = np.stack([form(ask) for ask in asks])
    spread = np.maximum(forms.std(axis=0), 1e-3)
    x = inputs(_embeddings(asks, encoder), forms, forms.mean(axis=0), spread)
    right = np.array([row.right for row in rows], np.float64)
    benchmarks = np.array([row.question.benchmark for row in rows])
    folds = np.array([fold_of(row.question.prompt) for row in rows])
    # As the shipped head is trained: which benchmark it is only shapes the hidden layer.
    names = [benchmarks == name for name in np.unique(benchmarks)]
    targets = np.column_stack([right, *names]).astype(np.float32)

    def by(groups: NDArray[np.generic]) -> Doubles:
        scores = cross(groups, lambda seen: _scores(x, targets, seen))
        return cross(groups, lambda seen: fit_platt(scores[seen], right[seen])(scores))

    return dict(zip(PROMPTS, (by(folds), by(benchmarks)), strict=True))


def _embeddings(asks: Sequence[Ask], encoder: Encoder) -> Floats:
    """Batches of like lengths, in the order asked."""
    order = sorted(range(len(asks)), key=lambda at: len(asks[at].full))
    found = [
        encoder.encode([asks[at].full for at in order[start : start + BATCH]])
        for start in range(0, len(asks), BATCH)
    ]
    return np.concatenate(found)[np.argsort(order)]


def _scores(x: Floats, targets: Floats, seen: NDArray[np.bool_]) -> Doubles:
    """Of all rows, by nets like the head's that were fitted on the seen ones."""
    found: list[Doubles] = []
    for seed in range(NETS):
        net: Any = MLPRegressor(
            hidden_layer_sizes=(64,),
            alpha=0.3,
            batch_size=min(64, int(seen.sum())),  # pyright: ignore[reportArgumentType]  # guessed from the default "auto"
            max_iter=15,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
            net.fit(x[seen] / 3, targets[seen])
        found.append(np.asarray(net.predict(x / 3))[:, 0])
    return np.mean(found, axis=0)


def cross(
    groups: NDArray[np.generic], chances: Callable[[NDArray[np.bool_]], NDArray[np.floating]]
) -> Doubles:
    """Each group's numbers by a model of the rows outside it."""
    out = np.zeros(len(groups))
    for group in np.unique(groups):
        out[groups == group] = chances(groups != group)[groups == group]
    return out


def save(path: Path, rows: Sequence[Row], prompts: dict[str, Doubles], model: str) -> None:
    """One compressed .npz: half precision is finer than the engine's bfloat16 logits."""
    names = [*prompts, *rows[0].columns]
    numbers = np.column_stack(
        [*prompts.values(), np.array([list(row.columns.values()) for row in rows])]
    )
    benchmarks = sorted({row.question.benchmark for row in rows})
    guesses = {row.question.benchmark: row.question.guess for row in rows}
    meta = {"model": model, "columns": names, "benchmarks": benchmarks, "guesses": guesses}
    np.savez_compressed(
        path,
        meta=np.array(json.dumps(meta, sort_keys=True)),
        sha256=np.array([list(bytes.fromhex(row.question.key)) for row in rows], np.uint8),
        fold=np.array([fold_of(row.question.prompt) for row in rows], np.uint8),
        benchmark=np.array([benchmarks.index(row.question.benchmark) for row in rows], np.uint8),
        right=np.array([row.right for row in rows]),
        numbers=numbers.astype(np.float16),
    )


if __name__ == "__main__":
    main()
