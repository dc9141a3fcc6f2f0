"""Benchmark questions that a program can check: how each is put to a model, and how it is graded.

Left out, and why: gsm8k, mgsm, math, mbpp and human_eval need a whole solution of a hundred tokens and
more, and a model of this size is almost never right; logicgrid and gpqa are guesses for it;
commongen's score depends on how long the list of words is more than on the answer.
"""

from __future__ import annotations

import ast
import hashlib
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from scripts.training.rows import read

CHOICE = ("arc_challenge", "commonsense_qa", "mmlu", "openbook_qa")
OPEN = ("natural_qa", "trivia_qa")
LETTERS = string.ascii_uppercase
RIGHT = 0.5  # token F1 from which an open answer counts

Listing: TypeAlias = Literal["letters", "words"]  # how choices are put: by letter, or only named

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_LETTER = re.compile(r"(?<![\w'])([A-J])(?![\w'])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of the outcomes file that can be checked."""

    benchmark: str
    prompt: str
    answer: str  # the reference text; for a choice its letter
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 of the row's prompt."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    def asked(self, listing: Listing) -> str:
        """The user turn."""
        if not self.choices:
            return f"{self.prompt}\nAnswer in a few words."
        if listing == "words":
            return f"{self.prompt}\nChoose one: {'; '.join(self.choices)}."
        lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, self.choices, strict=False)]
        return "\n".join([self.prompt, *lines, "Answer with the letter of the right choice."])

    def right(self, reply: str, listing: Listing) -> bool:
        """Whether the reply is the reference answer."""
        if self.choices:
            return self.chosen(reply, listing) == self.answer
        return f1(reply, self.answer) >= RIGHT or contains(reply, self.answer)

    def chosen(self, reply: str, listing: Listing) -> str:
        """The letter of the choice that the reply settles on; empty when it settles on none."""
        if listing == "letters" and (found := _LETTER.search(reply)):
            return found[1]
        scores = [recall(reply, choice) for choice in self.choices]
        best = max(scores)
        if not best or scores.count(best) > 1:
            return ""
        return LETTERS[scores.index(best)]


def questions(folder: Path) -> Iterator[Question]:
    """The rows of the benchmarks that can be checked."""
    for row in read(folder / "qwen7b_outcomes_train.jsonl"):
        if row["benchmark"] in CHOICE + OPEN:
            yield Question(
                benchmark=row["benchmark"],
                prompt=row["prompt"],
                answer=_lettered(row["answer"]) if row["choices"] else row["answer"],
                choices=_choices(row["choices"]),
            )


def _lettered(label: str) -> str:
    """A choice's label as a letter: a few questions number theirs."""
    return LETTERS[int(label) - 1] if label.isdigit() else label


def _choices(written: str | None) -> tuple[str, ...]:
    """The texts of a choices field: a Python literal, either a list or labels and texts."""
    if not written:
        return ()
    found = cast("Mapping[str, Sequence[str]] | Sequence[str]", ast.literal_eval(written))
    return tuple(found["text"] if isinstance(found, Mapping) else found)


def words(text: str) -> list[str]:
    """Lower-case words without punctuation and articles, as SQuAD's evaluation compares them."""
    bare = "".join(" " if char in string.punctuation else char for char in text.lower())
    return _ARTICLES.sub(" ", bare).split()


def f1(reply: str, reference: str) -> float:
    """Token F1."""
    said, meant = words(reply), words(reference)
    shared = sum((Counter(said) & Counter(meant)).values())
    return 2 * shared / (len(said) + len(meant)) if shared else 0.0


def recall(reply: str, reference: str) -> float:
    """Share of the reference's tokens that the reply has."""
    said, meant = Counter(words(reply)), Counter(words(reference))
    return sum((said & meant).values()) / max(sum(meant.values()), 1)


def contains(reply: str, reference: str) -> bool:
    """Whether the reference stands in the reply as whole words."""
    meant = words(reference)
    return bool(meant) and f" {' '.join(meant)} " in f" {' '.join(words(reply))} "


def same(one: str, other: str) -> float:
    """How alike two replies are: token F1 of their first words."""
    said, meant = words(one), words(other)
    length = min(len(said), len(meant))
    return f1(" ".join(said[:length]), " ".join(meant[:length]))


Raw: TypeAlias = dict[str, Any]  # one line of the collector's file
