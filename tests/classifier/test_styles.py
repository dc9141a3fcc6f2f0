"""Tasks in styles that training has not seen, and what typos and paraphrases do to them."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from classifier.assessment import TASKS, Task
from classifier.embedding import INSTRUCTION, MiniLmEncoder
from classifier.features import form, named_task
from classifier.head import load_shipped
from classifier.text import Ask, instruction

pytestmark = pytest.mark.timeout(
    300
)  # a thousand and more embeddings, on a machine that others use too

ROWS: list[dict[str, str]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data/unseen_style.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
ENCODER = MiniLmEncoder()


def told(texts: Sequence[str]) -> list[Task]:
    """The task of each text."""
    head = load_shipped()
    asks = [Ask(text=text, chars=len(text)) for text in texts]
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # like lengths together
    found: dict[int, Task] = {}
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        wholes = ENCODER.encode([texts[at] for at in batch])
        wanted = ENCODER.encode([instruction(texts[at]) for at in batch], INSTRUCTION)
        for at, whole, asked in zip(batch, wholes, wanted, strict=True):
            reading = head.read(whole, form(asks[at]), asked)
            found[at] = named_task(asks[at], reading.tasks)
    return [found[at] for at in range(len(texts))]


def test_styles_that_training_has_not_seen() -> None:
    """The share that is right; one prompt is 0.006."""
    answers = told([row["prompt"] for row in ROWS])
    wrong = [row for row, answer in zip(ROWS, answers, strict=True) if row["task"] != answer]
    assert 1 - len(wrong) / len(ROWS) >= 0.75, Counter(row["task"] for row in wrong)
    per_task = Counter(row["task"] for row in ROWS)
    missed = Counter(row["task"] for row in wrong)
    assert max(missed[task] / per_task[task] for task in per_task) <= 0.75


def test_these_prompts_are_not_trained_on() -> None:
    data = files("classifier").joinpath("data")
    trained = data.joinpath("own_prompts.jsonl").read_text(encoding="utf-8")
    trained += data.joinpath("own_instructions.jsonl").read_text(encoding="utf-8")
    written = [json.dumps(row["prompt"], ensure_ascii=False) for row in ROWS]
    assert not [prompt for prompt in written if prompt in trained]
    assert {row["task"] for row in ROWS} == set(TASKS) - {"multimodal"}


def swapped(text: str, dice: random.Random, share: float = 0.03) -> str:
    """Neighbouring letters change places, about one in thirty."""
    letters = list(text)
    for at in range(len(letters) - 1):
        if dice.random() < share and letters[at].isalpha() and letters[at + 1].isalpha():
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def lost(text: str, dice: random.Random) -> str:
    """One letter in forty is missing."""
    return "".join(c for c in text if not c.isalpha() or dice.random() > 0.025)


PERTURBED: dict[str, Callable[[str, random.Random], str]] = {
    "letters swapped": swapped,
    "letters lost": lost,
    "lower case": lambda text, _: text.lower(),
    "capitals": lambda text, _: text.upper(),
    "no punctuation at the end": lambda text, _: text.rstrip(" .?!:"),
    "polite before": lambda text, _: f"Hi, could you please help me with this? {text}",
    "polite after": lambda text, _: f"{text} Thank you so much in advance!",
    "hasty": lambda text, _: f"pls {text} thx",
}
FLIPS = 0.13  # of all; of one kind at most twice as many. 54 prompts: one is 0.019


def test_typos_and_politeness_seldom_flip_the_task() -> None:
    """The share of prompts whose task changes, by kind of change."""
    dice = random.Random(0)
    texts = [row["prompt"] for row in ROWS[::3]]
    clean = told(texts)
    flips: dict[str, float] = {}
    for kind, change in PERTURBED.items():
        changed = told([change(text, dice) for text in texts])
        flips[kind] = float(np.mean([a != b for a, b in zip(clean, changed, strict=True)]))
    shown = ", ".join(f"{kind} {share:.3f}" for kind, share in flips.items())
    print(f"flips: {shown}")
    assert np.mean(list(flips.values())) <= FLIPS, shown
    assert max(flips.values()) <= 2 * FLIPS, shown
