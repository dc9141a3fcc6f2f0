"""Prompts made of our instructions and other people's texts, so that only the instruction tells the task.

A public data set has one kind of text and one task; a model that sees only these learns the texts. Here
every kind of text comes with every task, in the words of `classifier/data/own_instructions.jsonl`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.training import rows
from scripts.training.rows import Labelled

FILLERS = Path("classifier/data/own_fillers.json")
COUNTS = {
    "summarise_rewrite": 1100,
    "extraction": 1100,
    "classification": 1100,
    "creative": 900,
    "knowledge": 800,
    "code": 500,
    "math_reasoning": 500,
    "translation": 400,
    "chat": 300,
}
OWN = "own"  # the source of a row without other people's words

_SLOT = re.compile(r"\{(\w+)\}")
_QUESTION = re.compile(r"[Qq]uestion:? \"?([^\"\n]{12,200}\?)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SPEAKER = re.compile(r"(?m)^[A-Z]\w{1,15}: .*$")
_KEPT = {"math_reasoning": "problem", "code": "spec"}  # task -> slot that its whole prompts fill
_LEAD = re.compile(r"^[^.:\n]{3,70}: ")  # "Article: ", "Paraphrase the following sentence: "
_PASSAGES = (  # sources whose longest paragraph is a text and not a question
    "adversarial_qa ag_news amazon_polarity cnn_dailymail duorc gigaword glue_mrpc mmlu multi_news"
    " paws quoref samsum xsum"
).split()
_QUESTIONS = ("natural_qa", "trivia_qa", "openbook_qa", "arc_challenge", "commonsense_qa", "sciq")
_LETTERS = "abcde"
_OPTION_FORMS = ("- {}", "({}) {}", "{}. {}", "{}) {}", "{}: {}")
_JOINTS = ("\n\n", "\n", " ", "\n\n", "\n---\n")
_LABELS = ("Text", "Input", "Article", "Passage", "Here it is", "Message")
_BEFORE = (
    "please ",
    "Please ",
    "pls ",
    "hi, ",
    "Hey! ",
    "Can you help? ",
    "I have a task for you. ",
    "Good morning, I hope you are well. I would like to ask you for something. ",
    "Hello there! Would you be so kind and do this for me? ",
    "I'd be grateful if you took a look at this. ",
    "Sorry to bother you again, one more thing. ",
)
_AFTER = (
    " Thanks!",
    " thx",
    " please",
    " Be brief.",
    " Take your time.",
    " I need it today.",
    " Many thanks for your help, have a nice day!",
)
POLITE = 0.25
TYPOS = 0.2

Pool = Sequence[tuple[str, str]]  # (source, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Other people's texts by the slot that they can fill, each with its source."""

    pools: Mapping[str, Pool]

    @classmethod
    def of(cls, public: Iterable[Labelled]) -> Texts:
        """Cut out of prompts: passages, dialogues, sentences, questions, problems, specifications."""
        pools: dict[str, list[tuple[str, str]]] = {
            slot: [] for slot in ("text", "a", "question", "problem", "spec", "real")
        }
        for row in public:
            for slot, text in _cuttings(row):
                pools[slot].append((row.source, text))
        return cls(pools=pools)


def _cuttings(row: Labelled) -> Iterable[tuple[str, str]]:
    text = row.ask.text
    if slot := _KEPT.get(row.task):
        yield slot, text
    if row.source in _QUESTIONS and len(text) < 220 and text.count("\n") == 0:
        yield "question", text
    if row.source not in _PASSAGES:
        return
    speakers = _SPEAKER.findall(text)
    passage = (
        "\n".join(speakers) if len(speakers) > 3 else _LEAD.sub("", max(text.split("\n"), key=len))
    )
    if len(passage) >= 60:
        yield "text", passage
        first = _SENTENCE.split(passage, 1)[0]
        if 25 <= len(first) <= 200:
            yield "a", first
    if row.task == "extraction" and (asked := _QUESTION.search(text)):
        yield "real", f"{passage[:900]}\n\n{asked.group(1)}"


def made(public: Iterable[Labelled], path: Path | None = None) -> list[Labelled]:
    """Rows for training; a row with other people's words belongs to their source.

    Leaving a source out therefore leaves out what was made of it.
    """
    texts = Texts.of(public)
    fillers = json.loads(FILLERS.read_text(encoding="utf-8"))
    instructions: dict[str, list[dict[str, str]]] = {}
    for row in rows.read(path or rows.INSTRUCTIONS):
        instructions.setdefault(row["task"], []).append(row)
    out: list[Labelled] = []
    for task, count in COUNTS.items():
        for at in range(count):
            copy, which = divmod(at, len(instructions[task]))
            chosen = instructions[task][which]
            # One dice a row: a new instruction leaves the others' rows, and their embeddings, alone.
            dice = random.Random(f"{copy} {chosen['text']}")
            if row := Writer(dice, texts, fillers).row(task, chosen):
                out.append(row)
    return out


class Writer:
    """Fills an instruction with a dice."""

    def __init__(
        self, dice: random.Random, texts: Texts, fillers: Mapping[str, Sequence[str]]
    ) -> None:
        self._dice = dice
        self._texts = texts
        self._fillers = fillers
        self._source = OWN

    def row(self, task: str, instruction: Mapping[str, str]) -> Labelled | None:
        """A prompt; None where the texts lack what the instruction wants."""
        self._source = OWN
        place, text = instruction.get("place"), instruction["text"]
        if place:
            text = self._around(text, before=place == "before")
        elif self._dice.random() < POLITE:
            text = self._polite(text)
        try:
            prompt = self._filled(text)
        except IndexError:
            return None
        if self._dice.random() < TYPOS:
            prompt = typos(prompt, self._dice)
        if self._dice.random() < 0.08:
            prompt = prompt.lower()
        return Labelled(
            ask=rows.plain_ask(prompt),
            task=task,
            source=self._source,
            fold=rows.fold_of(prompt),
        )

    def _around(self, text: str, *, before: bool) -> str:
        if self._dice.random() < POLITE:
            text = self._polite(text)
        material = self._dice.choice(("{text}", "{text}", "{text}", '"{text}"', "{a}"))
        if self._dice.random() < 0.25:
            material = f"{self._dice.choice(_LABELS)}: {material}"
        parts = (text, material) if before else (material, text)
        return self._dice.choice(_JOINTS).join(parts)

    def _polite(self, text: str) -> str:
        if self._dice.random() < 0.5:
            return self._dice.choice(_BEFORE) + text[:1].lower() + text[1:]
        return text.rstrip(" .:") + self._dice.choice(_AFTER)

    def _filled(self, text: str) -> str:
        return _SLOT.sub(lambda match: self._fill(match.group(1), match.group(0)), text)

    def _fill(self, slot: str, written: str) -> str:
        name = slot.rstrip("0123456789")
        if name == "b":
            name = "a"
        if name == "n":
            return str(self._dice.choice((self._dice.randint(2, 12), self._dice.randint(13, 400))))
        if name in ("word_list", "option_lines", "number_lines"):
            return self._listed(name)
        if name == "Word":
            return self._dice.choice(self._fillers["word"]).capitalize()
        if pool := self._texts.pools.get(name):
            self._source, found = self._dice.choice(pool)
            return found[: self._dice.randint(100, 1500)] if name == "text" else found
        if name in self._fillers:
            return self._dice.choice(self._fillers[name])
        return written

    def _listed(self, name: str) -> str:
        if name == "word_list":
            words = [*self._fillers["word"], *self._fillers["verb"]]
            return ", ".join(self._dice.sample(words, self._dice.randint(2, 9)))
        choices = self._fillers["word"] if name == "option_lines" else list(map(str, range(2, 300)))
        form = self._dice.choice(_OPTION_FORMS)
        picked = self._dice.sample(choices, self._dice.randint(2, 5))
        if form == "- {}":
            return "\n".join(f"- {word}" for word in picked)
        letters = _LETTERS if self._dice.random() < 0.4 else _LETTERS.upper()
        return "\n".join(
            form.format(letter, word) for letter, word in zip(letters, picked, strict=False)
        )


def typos(text: str, dice: random.Random, share: float = 0.03) -> str:
    """Neighbouring letters swapped or one left out, as hasty people write."""
    letters = list(text[:400])
    for at in range(len(letters) - 1):
        if dice.random() < share and letters[at].isalpha() and letters[at + 1].isalpha():
            if dice.random() < 0.6:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            else:
                letters[at] = ""
    return "".join(letters) + text[400:]
