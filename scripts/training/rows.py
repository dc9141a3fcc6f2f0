"""Training rows: outcomes of models on benchmarks, prompts with their task, and our own prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.text import Ask, clip, read_ask
from models.chat import ChatRequest, Message, Text

OWN = Path("classifier/data/own_prompts.jsonl")
INSTRUCTIONS = Path("classifier/data/own_instructions.jsonl")
FILES = ("qwen7b_outcomes_train", "routellm_outcomes_train", "tasks_train")
FAST, DEEP = "qwen2.5-7b-instruct", "llama-3.1-nemotron-51b-instruct"
FOLDS = 5

_DATASETS = (  # several templates of one data set are one source
    "adversarial_qa ag_news amazon_polarity app_reviews cnn_dailymail common_gen dbpedia_14 duorc gigaword"
    " glue_mrpc kilt multi_news paws qasc quoref samsum sciq wiki_bio wiki_qa xsum"
).split()
_SAME = {"gsm8k-train": "gsm8k", "agentverse-mgsm": "gsm8k", "commongen": "common_gen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What two models made of one benchmark question; `scores` has all that were measured."""

    ask: Ask
    benchmark: str
    fast: float
    deep: float
    scores: tuple[float, ...]
    fold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A prompt whose task is known. `fast` is our guess for a 7B model, only on our own prompts."""

    ask: Ask
    task: str
    source: str
    fold: int
    fast: float = 0.0


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def fold_of(prompt: str) -> int:
    """Which fold a prompt is in, by its hash; fold 0 is the development split."""
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) // 10 % FOLDS


def plain_ask(prompt: str) -> Ask:
    """The ask of a single user turn."""
    return Ask(text=clip(prompt), chars=len(prompt))


def qwen(folder: Path) -> list[Outcome]:
    """Qwen2.5-7B against a 51B model, with seven more models' scores."""
    rows = read(folder / "qwen7b_outcomes_train.jsonl")
    return [
        Outcome(
            ask=plain_ask(row["prompt"]),
            benchmark=row["benchmark"],
            fast=row["scores"][FAST],
            deep=row["scores"][DEEP],
            scores=tuple(score for _, score in sorted(row["scores"].items())),
            fold=fold_of(row["prompt"]),
        )
        for row in rows
    ]


def routellm(folder: Path) -> list[Outcome]:
    """Mixtral-8x7B against GPT-4 on RouteLLM's own evaluation files."""
    rows = read(folder / "routellm_outcomes_train.jsonl")
    return [
        Outcome(
            ask=plain_ask(row["prompt"]),
            benchmark=row["benchmark"],
            fast=float(row["weak"]),
            deep=float(row["strong"]),
            scores=(float(row["weak"]), float(row["strong"])),
            fold=fold_of(row["prompt"]),
        )
        for row in rows
    ]


def tasks(folder: Path) -> list[Labelled]:
    """Prompts of public data sets with their task."""
    return [
        Labelled(
            ask=plain_ask(row["prompt"]),
            task=row["task"],
            source=source_of(row["source"]),
            fold=fold_of(row["prompt"]),
        )
        for row in read(folder / "tasks_train.jsonl")
    ]


def source_of(name: str) -> str:
    """The data set behind a template's name."""
    short = name.split("/", 1)[-1]
    return next((d for d in _DATASETS if short.startswith(d)), _SAME.get(short, short))


def own(path: Path = OWN) -> list[Labelled]:
    """Our own prompts, read as a request with their system prompt and earlier turn."""
    return [
        Labelled(
            ask=read_ask(_request(row)),
            task=row["task"],
            source="own",
            fold=fold_of(row["prompt"]),
            fast=row["fast"],
        )
        for row in read(path)
    ]


def _request(row: dict[str, str]) -> ChatRequest:
    turns = [("system", row.get("system")), ("user", row.get("before")), ("user", row["prompt"])]
    return ChatRequest(
        model="auto",
        messages=tuple(
            Message(role="system" if role == "system" else "user", parts=(Text(text=text),))
            for role, text in turns
            if text
        ),
    )
