"""Seams with models that do not do as they are asked: thirteen answers, broken off anywhere.

What must be read is known by construction (tests/fakes/disobedience.py). The share of right joins
is printed for each kind (`pytest -s`); `exact` leaves nothing open, not even the white space that
the model itself left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from models.stream import TextDelta
from router.seam.splice import Splice
from router.sentences import first_boundary
from router.transcript import Step, Transcript
from tests.fakes.answers import ANSWERS
from tests.fakes.disobedience import KINDS, NATIVE, Answer, Kind, disobey

_CUTS = 30  # of each answer
# What is left are cells of a table and single words, said again in a way that authors have, too.
_LEAST: dict[Kind, float] = {
    "repeats_words": 0.985,
    "repeats_otherwise": 0.98,
    "quotes": 0.98,
}


@dataclass(frozen=True)
class _Scene:
    """A transcript as the router leaves it, and what the next model makes of it."""

    transcript: str
    after_sentence: bool
    said: Answer


def _scene(kind: Kind, language: str, number: int) -> _Scene:
    chance = Random(f"{kind} {language} {number}")
    answer = ANSWERS[language]
    if kind == "goes_on_in_word":
        transcript = answer[: _inside_word(answer, chance)]
    elif number % 6 == 0:
        transcript = answer[: first_boundary(answer)].rstrip()
    else:
        transcript = _shown(answer[: chance.randint(12, len(answer) - 1)], chance)
    said = disobey(kind, answer, transcript, chance)
    return _Scene(transcript, number % 6 == 0 and kind != "goes_on_in_word", said)


def _inside_word(answer: str, chance: Random) -> int:
    inside = [at for at in range(12, len(answer)) if answer[at - 1 : at + 1].isalnum()]
    return chance.choice(inside)


def _shown(said: str, chance: Random) -> str:
    """What a client has read of a reply that broke off."""
    transcript = Transcript(0.0)
    while said:
        size = chance.randint(1, 9)
        transcript.show_text(Step(), TextDelta(said[:size]), 0.0)
        said = said[size:]
    return transcript.text


def _joined(kind: Kind, scene: _Scene) -> str:
    splice = Splice(scene.transcript, exact=kind in NATIVE, after_sentence=scene.after_sentence)
    reply = scene.said.reply
    pieces = [reply[at : at + 4] for at in range(0, len(reply), 4)]
    shown = "".join(splice.feed(piece) or "" for piece in pieces)
    return scene.transcript + shown + splice.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_what_such_a_model_says_reads_as_one_answer(kind: Kind) -> None:
    scenes = [_scene(kind, language, at) for language in ANSWERS for at in range(_CUTS)]
    texts = [_joined(kind, scene) for scene in scenes]
    pairs = list(zip(scenes, texts, strict=True))
    exact = sum(text == scene.said.joined for scene, text in pairs) / len(pairs)
    wrong = [(scene, text) for scene, text in pairs if not scene.said.reads(text)]
    right = 1 - len(wrong) / len(pairs)
    print(f"\n{kind:20} {len(pairs)} joins: exact {exact:.2%}, right {right:.2%}")
    assert right >= _LEAST.get(kind, 0.995), wrong[:3]
