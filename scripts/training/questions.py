"""Benchmark questions that a program can check: how each is put to a model, and how it is graded.

Word problems are asked for as a program whose result is compared: a small model is right more often so,
in a third of the tokens. Left out, and why: logicgrid and gpqa are guesses for a model of this size;
commongen's score depends on the length of its list of words more than on the answer; mathematics whose
result is no number.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from scripts.training.rows import read
from scripts.training.sandbox import passes

Kind: TypeAlias = Literal["open", "choice", "number", "program"]
Raw: TypeAlias = dict[str, Any]  # one line of the collector's file, or a chat message

KINDS: Mapping[str, Kind] = {
    "natural_qa": "open",
    "trivia_qa": "open",
    "arc_challenge": "choice",
    "commonsense_qa": "choice",
    "mmlu": "choice",
    "openbook_qa": "choice",
    "gsm8k": "number",
    "agentverse-mgsm": "number",
    "math": "number",
    "mbpp": "program",
    "human_eval": "program",
}
TOKENS: Mapping[Kind, int] = {"open": 24, "choice": 8, "number": 448, "program": 512}
# By SHA-256 of the prompt: the answers of openai/grade-school-math (MIT) to the first word problems
# of RouteLLM's file that are not among the answered rows.
ANSWERS = Path(__file__).with_name("gsm8k_answers.json")
LETTERS = string.ascii_uppercase
RIGHT = 0.5  # token F1 from which an open answer counts

# Turns that come before the question: they show how short an answer is wanted.
EXAMPLES: Mapping[Kind, tuple[tuple[str, str], ...]] = {
    "open": (
        ("What is the capital of France?", "Paris"),
        ("who wrote the play romeo and juliet", "William Shakespeare"),
    ),
    "choice": (
        (
            "Which of these is an animal?\nA. a chair\nB. a horse\nC. a stone\nD. a lamp",
            "B. a horse",
        ),
        ("Where do fish live?\nA. in trees\nB. in sand\nC. in clouds\nD. in water", "D. in water"),
    ),
}

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_LETTER = re.compile(r"(?<![\w'])([A-J])(?![\w'])")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_SOLVE = "Write a Python function solve() that returns the answer. Reply with the code only."
_BOX_ASKED = "\nAfter careful thought, put you final answer in \\boxed{...}."
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_FRACTION = re.compile(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_UNITS = re.compile(r"\\(?:text|mathrm)\{[^}]*\}|\\[,!;%$]|[\s$,%]|\^?\\circ|\^\{\\circ\}")
_FENCED = re.compile(r"```(?:python)?\n(.*?)(?:```|\Z)", re.DOTALL)
_DEFINED = re.compile(r"def (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of the outcomes file that can be checked."""

    benchmark: str
    prompt: str
    answer: str  # the reference; for a choice its letter, for a program its tests
    choices: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """How it is graded."""
        return KINDS[self.benchmark]

    @property
    def guess(self) -> float:
        """How often a guess is right."""
        return 1 / len(self.choices) if self.choices else 0.0

    @property
    def key(self) -> str:
        """SHA-256 of the row's prompt."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    @property
    def asked(self) -> str:
        """The newest user turn."""
        if self.kind == "choice":
            lines = [
                f"{letter}. {text}" for letter, text in zip(LETTERS, self.choices, strict=False)
            ]
            return "\n".join([self.prompt, *lines])
        if self.benchmark == "mbpp":
            return f"{self.prompt}\nIt must pass: {self._tests[0]}\nReply with the code only."
        if self.benchmark == "human_eval":
            return f"Complete this function. Reply with the code only.\n```python\n{self.prompt}```"
        if self.kind == "number":
            return f"{self.prompt.removesuffix(_BOX_ASKED)}\n{_SOLVE}"
        return self.prompt

    @property
    def messages(self) -> list[Raw]:
        """The conversation that it is put in."""
        shown = EXAMPLES.get(self.kind, ())
        turns = [turn for pair in shown for turn in zip(("user", "assistant"), pair, strict=True)]
        return [{"role": role, "content": text} for role, text in [*turns, ("user", self.asked)]]

    @property
    def _tests(self) -> list[str]:
        return cast("list[str]", ast.literal_eval(self.answer))

    def right(self, reply: str) -> bool:
        """Whether the reply is right. A program is run: see `sandbox`."""
        match self.kind:
            case "open":
                return f1(reply, self.answer) >= RIGHT or contains(reply, self.answer)
            case "choice":
                return self.chosen(reply) == self.answer
            case "number" | "program":
                return passes(self.program(reply))

    def chosen(self, reply: str) -> str:
        """The letter of the choice that the reply settles on; empty when it settles on none."""
        if found := _LETTER.search(reply):
            return found[1]
        scores = [recall(reply, choice) for choice in self.choices]
        best = max(scores)
        return LETTERS[scores.index(best)] if best and scores.count(best) == 1 else ""

    def cut_inside(self, reply: str) -> bool:
        """Whether a reply that hit the token limit broke off inside what was asked for."""
        return self.kind in ("number", "program") and reply.rpartition("\n")[2][:1].isspace()

    def program(self, reply: str) -> str:
        """The reply's code, without a last line that was cut off, and the tests behind it."""
        fenced = _FENCED.search(reply)
        code = fenced[1] if fenced else reply
        if fenced and not reply.endswith("```"):
            code = code.rpartition("\n")[0] if not _parses(code) else code
        if self.benchmark == "mbpp":
            return "\n".join([code, *self._tests])
        if self.kind == "number":
            return f"{code}\nassert abs(float(solve()) - {number(self.answer)}) < 1e-4\n"
        name = _DEFINED.findall(self.prompt)[-1]
        start = self.prompt if f"def {name}" not in code else self.prompt.partition("def ")[0]
        return f"{start}\n{code}\n{self.answer}\ncheck({name})\n"


def questions(folder: Path) -> Iterator[Question]:
    """The rows of the benchmarks that can be checked; what stands in two of them comes once."""
    seen: set[str] = set()
    for question in chain(_answered(folder), _unanswered(folder)):
        if (asked := " ".join(question.asked.lower().split())) not in seen:
            seen.add(asked)
            yield question


def _unanswered(folder: Path) -> Iterator[Question]:
    """Word problems of RouteLLM's file, which has no answers; GSM8K's own are in ANSWERS."""
    file = folder / "routellm_outcomes_train.jsonl"
    if not file.exists():
        return
    answers: dict[str, float] = json.loads(ANSWERS.read_bytes())
    for row in read(file):
        question = Question(benchmark="gsm8k", prompt=row["prompt"], answer="")
        if row["benchmark"] == "gsm8k" and question.key in answers:
            yield replace(question, answer=str(answers[question.key]))


def _answered(folder: Path) -> Iterator[Question]:
    for row in read(folder / "qwen7b_outcomes_train.jsonl"):
        kind = KINDS.get(row["benchmark"])
        if kind is None or (kind == "number" and number(row["answer"]) is None):
            continue
        yield Question(
            benchmark=row["benchmark"],
            prompt=row["prompt"],
            answer=_lettered(row["answer"]) if kind == "choice" else row["answer"],
            choices=_choices(row["choices"]) if kind == "choice" else (),
        )


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def _lettered(label: str) -> str:
    """A choice's label as a letter: a few questions number theirs."""
    return LETTERS[int(label) - 1] if label.isdigit() else label


def _choices(written: str) -> tuple[str, ...]:
    """The texts of a choices field: a Python literal, either a list or labels and texts."""
    found = cast("Mapping[str, Sequence[str]] | Sequence[str]", ast.literal_eval(written))
    return tuple(found["text"] if isinstance(found, Mapping) else found)


def number(answer: str) -> float | None:
    """The final result of a worked answer: what is boxed, stands behind ####, or is all of it."""
    boxed = _BOXED.findall(answer)
    found = _UNITS.sub("", boxed[-1] if boxed else answer.rpartition("####")[2])
    if fraction := _FRACTION.fullmatch(found):
        return float(f"{fraction[1]}1") * int(fraction[2]) / int(fraction[3])
    return float(found) if _NUMBER.fullmatch(found) else None


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
    """How alike two replies are: token F1 over the length of the shorter."""
    said, meant = words(one), words(other)
    length = min(len(said), len(meant))
    return f1(" ".join(said[:length]), " ".join(meant[:length]))
