"""Models that are asked to go on and do something else: what they say, and what must be read.

The text to read is known by construction. Where no reader could know the white space of the seam,
because the model left it out or left a sentence unfinished, `free` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, takewhile
from random import Random
from typing import Literal, TypeAlias, get_args

from router.languages import CONTINUE, language_of
from router.seam.anchor import anchor
from router.sentences import first_boundary

Kind: TypeAlias = Literal[
    "obeys",  # the control: begins with the last words, as asked
    "restarts",  # says everything from the beginning
    "repeats_sentence",  # the last sentence, to the letter
    "repeats_words",  # the last few words, not those that were asked for
    "repeats_otherwise",  # the same, in other case, in bold type, in quotes
    "announces",  # "Sure, here is the rest:", then the last words
    "announces_only",  # the same, then what comes next
    "goes_on",  # only what comes next
    "goes_on_in_word",  # the same, behind a transcript that ends in mid-word
    "skips",  # leaves the sentence unfinished and begins with the next
    "repeats_instruction",
    "fences",  # the whole reply in a code block
    "quotes",  # the whole reply in quotation marks
    "echoes",  # after native prefill: all that was given
    "echoes_part",  # the same, but only from a sentence on
]
KINDS: tuple[Kind, ...] = get_args(Kind)
NATIVE: tuple[Kind, ...] = ("echoes", "echoes_part")
INSTRUCTED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in NATIVE)

_PREFACES = {
    "en": ["Sure, here is the rest:", "Certainly! Continuing from where I left off:", "Of course!"],
    "de": ["Natürlich, hier ist der Rest:", "Gerne! Hier geht es weiter:"],
    "fr": ["Bien sûr, voici la suite :", "D'accord ! Voici le reste :"],
    "es": ["¡Claro! Aquí está el resto:", "Por supuesto, aquí tienes la continuación:"],
    "ru": ["Конечно! Вот продолжение:", "Хорошо, продолжаю:"],
    "zh": ["好的，以下是剩余部分：", "当然可以！继续："],
    "ja": ["はい、続きです。", "承知しました。以下が続きです："],
    "ar": ["بالطبع! إليك البقية:", "حسنًا، سأكمل من حيث توقفت:"],
    "hi": ["ज़रूर! यह रहा बाकी:", "ठीक है, जारी रखते हुए:"],
    "ko": ["네, 계속하겠습니다.", "물론입니다! 나머지 내용입니다:"],
}
_QUOTES = ["“”", '""', "«»", "„“", "「」"]
_WORD = re.compile(r"\S+")
_ECHO = 16  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says after a transcript, and what a reader must find behind that."""

    reply: str
    joined: str  # the transcript and what follows it
    free: bool = False  # any white space at the seam is right

    def reads(self, text: str) -> bool:
        """True when this text is what had to be read."""
        if text == self.joined:
            return True
        return self.free and "".join(text.split()) == "".join(self.joined.split())


def disobey(
    kind: Kind, answer: str, transcript: str, chance: Random, *, instruction: str = ""
) -> Answer:
    """How such a model goes on after `transcript`, the beginning of `answer`.

    An echo of less than a few words is none: it may be meant.
    """
    scene = _Scene(answer, transcript, chance, instruction)
    if kind in NATIVE and len(scene.shown) < _ECHO:
        return scene.says(scene.rest)
    return _WAYS[kind](scene)


@dataclass(frozen=True, slots=True)
class _Scene:
    answer: str
    transcript: str
    chance: Random
    given_instruction: str

    @property
    def shown(self) -> str:
        return self.transcript.rstrip()

    @property
    def rest(self) -> str:
        """What comes behind the last visible character."""
        return self.answer[len(self.shown) :]

    @property
    def language(self) -> str:
        return language_of(self.answer)

    @property
    def instruction(self) -> str:
        return self.given_instruction or CONTINUE[self.language].replace("{tail}", self.tail)

    @property
    def tail(self) -> str:
        return anchor(self.transcript)

    def says(self, reply: str, *, free: bool = False) -> Answer:
        """The whole answer is to be read."""
        return Answer(reply, self.answer, free=free)

    def last_sentence(self) -> str:
        """From where the last sentence begins, or the one before where that just ended."""
        begin = at = 0
        while (length := first_boundary(self.shown[at:])) is not None:
            at += length
            if not self.shown[at:].strip():
                break
            begin = at
        return self.shown[begin:].lstrip()

    def long_part(self) -> str:
        """From a sentence on, so much that nobody says it twice; else from the beginning."""
        begins = [m.end() for m in re.finditer(r"(?:[.!?:।]\s+|。)(?=\S)", self.shown)]
        parts = (self.shown[at:] for at in reversed(begins))
        enough = (part for part in parts if len("".join(part.split())) > 60)
        return next(enough, self.shown)

    def last_words(self) -> str:
        words = [match.start() for match in _WORD.finditer(self.shown)]
        least = min(3, len(words))
        return self.shown[words[-self.chance.randint(least, max(least, min(8, len(words))))] :]

    def preface(self) -> str:
        return self.chance.choice(_PREFACES.get(self.language, _PREFACES["en"]))


def sentence_ends(answer: str) -> list[int]:
    """Behind each sentence."""
    ends = [0]
    while (length := first_boundary(answer[ends[-1] :])) is not None:
        ends.append(ends[-1] + length)
    return [*ends[1:], len(answer)] if ends[-1] < len(answer) else ends[1:]


def tells(answer: str, text: str, *, skips: int, whole: bool = True) -> bool:
    """True when a text is this answer, but for white space and so many sentences left unfinished.

    Not `whole`: it may end anywhere.
    """
    ends = [0, *sentence_ends(answer)]
    sentences = ["".join(answer[begin:end].split()) for begin, end in pairwise(ends)]
    return _tells(sentences, "".join(text.split()), skips, whole)


def _tells(sentences: list[str], text: str, skips: int, whole: bool) -> bool:
    if not sentences:
        return text == ""
    sentence, *rest = sentences
    if text.startswith(sentence) and _tells(rest, text[len(sentence) :], skips, whole):
        return True
    if not whole and sentence.startswith(text):
        return True
    said = takewhile(lambda pair: pair[0] == pair[1], zip(sentence, text, strict=False))
    parts = range(1, 1 + len(list(said))) if skips and rest else ()
    return any(_tells(rest, text[at:], skips - 1, whole) for at in parts)


def _repeats_otherwise(scene: _Scene) -> Answer:
    again = scene.chance.choice([scene.last_sentence, scene.last_words])()
    if len(again.split()) < 2:
        again = scene.last_words()
    if len(again.split()) < 2:
        return scene.says(again + scene.rest)  # one word in other case may be meant
    ways: list[Callable[[str], str]] = [
        str.upper,
        str.lower,
        lambda text: f"**{text}**",
        lambda text: f"*{text}*",
        lambda text: f'"{text}"' if "„" in text else f"“{text}”",
        lambda text: f'"{text}"',
        lambda text: f"…{text}",
        lambda text: f"... {text}",
    ]
    return scene.says(scene.chance.choice(ways)(again) + scene.rest)


def _announces(scene: _Scene) -> Answer:
    gap = scene.chance.choice(["\n\n", "\n", " "])
    return scene.says(scene.preface() + gap + scene.tail + scene.rest)


def _announces_only(scene: _Scene) -> Answer:
    return scene.says(scene.preface() + "\n\n" + scene.rest.lstrip(), free=True)


def _goes_on(scene: _Scene) -> Answer:
    """Without the white space, as the turn that it goes on from is over."""
    rest, behind = scene.rest.lstrip(), scene.transcript != scene.shown
    return scene.says(rest, free=not behind and "\n" in scene.rest[: len(scene.rest) - len(rest)])


def _skips(scene: _Scene) -> Answer:
    """Leaves out what is left of the sentence, where another one follows."""
    ends = [at for at in sentence_ends(scene.answer) if at >= len(scene.shown)]
    behind = scene.answer[ends[0] :] if len(ends) > 1 else scene.rest
    reply = behind.lstrip()
    gap = "" if scene.transcript != scene.shown else behind[: len(behind) - len(reply)]
    return Answer(reply, scene.transcript + gap + reply, free=True)


def _fences(scene: _Scene) -> Answer:
    """Not around code of its own: nobody could tell the fences apart."""
    mark = "```"
    info = scene.chance.choice(["", "markdown", "text"])
    if mark in scene.answer:
        return scene.says(scene.tail + scene.rest)
    return scene.says(f"{mark}{info}\n{scene.tail}{scene.rest}\n{mark}")


def _quotes(scene: _Scene) -> Answer:
    opened, closed = scene.chance.choice(_QUOTES)
    return scene.says(f"{opened}{scene.tail}{scene.rest}{closed}")


def _repeats_instruction(scene: _Scene) -> Answer:
    gap = scene.chance.choice(["\n\n", "\n", " "])
    return scene.says(scene.instruction + gap + scene.tail + scene.rest)


_WAYS: dict[Kind, Callable[[_Scene], Answer]] = {
    "obeys": lambda scene: scene.says(scene.tail + scene.rest),
    "restarts": lambda scene: scene.says(scene.answer),
    "repeats_sentence": lambda scene: scene.says(scene.last_sentence() + scene.rest),
    "repeats_words": lambda scene: scene.says(scene.last_words() + scene.rest),
    "repeats_otherwise": _repeats_otherwise,
    "announces": _announces,
    "announces_only": _announces_only,
    "goes_on": _goes_on,
    "goes_on_in_word": lambda scene: scene.says(scene.rest, free=True),  # "capi" may be a word
    "skips": _skips,
    "repeats_instruction": _repeats_instruction,
    "fences": _fences,
    "quotes": _quotes,
    "echoes": lambda scene: scene.says(scene.answer),
    "echoes_part": lambda scene: scene.says(scene.long_part() + scene.rest),
}
