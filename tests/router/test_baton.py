"""The seam between two legs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import ChatRequest, Message, Text
from router.baton import continuation
from router.languages import CONTINUE, language_of
from router.seam.anchor import anchor
from router.seam.splice import Splice


def _joined(transcript: str, reply: str, *, exact: bool = False, pieces: int = 3) -> str:
    splice = Splice(transcript, exact=exact, after_sentence=True)
    shown = ""
    waiting = True
    for start in range(0, len(reply), pieces):
        piece = reply[start : start + pieces]
        if not waiting:
            shown += piece
            continue
        text = splice.feed(piece)
        if text is not None:
            shown, waiting = text, False
    if waiting:
        shown = splice.finish()
    return transcript + shown


@pytest.mark.parametrize(
    ("transcript", "reply", "whole"),
    [
        # obeys: begins with the last words
        ("It is in Paris.", "It is in Paris. The city is old.", "It is in Paris. The city is old."),
        (
            "The capital of Fra",
            "The capital of France is Paris.",
            "The capital of France is Paris.",
        ),
        # goes on without repeating: a space is missing
        ("It is in Paris.", "The city is old.", "It is in Paris. The city is old."),
        ("the river", "flows north", "the river flows north"),
        ("它在巴黎。", "这座城市很古老。", "它在巴黎。这座城市很古老。"),
        # repeats with other case, markdown or white space
        ("It is **in Paris**.", "it is in paris. And old.", "It is **in Paris**. And old."),
        ("One line.\nTwo lines.", "Two  lines. Three.", "One line.\nTwo lines. Three."),
        # says something polite first
        (
            "It is in Paris now.",
            "Sure, it is in Paris now. And old.",
            "It is in Paris now. And old.",
        ),
        # starts over from the beginning
        ("A b c. D e f.", "A b c. D e f. G h i.", "A b c. D e f. G h i."),
        # a real repetition stays
        ("Tick tock.", "tock tick.", "Tick tock. tock tick."),
        ("Knock,", "knock, knock", "Knock, knock, knock"),
        # keeps the line breaks that the new leg brings
        ("First.", "\n\nSecond.", "First.\n\nSecond."),
        ("3.", " 14", "3. 14"),
    ],
)
@pytest.mark.parametrize("pieces", [1, 4, 100])
def test_seam(transcript: str, reply: str, whole: str, pieces: int) -> None:
    assert _joined(transcript, reply, pieces=pieces) == whole


def test_a_model_that_prefills_is_never_trimmed() -> None:
    assert _joined("ha ha ha ", "ha ha ha ha", exact=True) == "ha ha ha ha ha ha ha"
    assert _joined("It is old.", "It is old.", exact=True) == "It is old. It is old."


_WORDS = st.lists(
    st.sampled_from("alpha beta gamma delta the of 12 x, end. New".split()), min_size=2
)


@given(_WORDS, st.data())
def test_an_obedient_model_leaves_no_gap_and_no_repeat(
    words: list[str], data: st.DataObject
) -> None:
    answer = " ".join(f"{word}{n}" for n, word in enumerate(words))
    cut = data.draw(st.integers(1, len(answer)))
    said = answer[:cut]
    reply = anchor(said) + answer[len(said.rstrip()) :]
    pieces = data.draw(st.integers(1, 20))
    assert _joined(said, reply, pieces=pieces) == answer


@given(st.text(max_size=40), st.text(max_size=80), st.booleans())
def test_a_seam_never_alters_what_was_shown_and_never_invents_text(
    said: str, reply: str, exact: bool
) -> None:
    whole = _joined(said, reply, exact=exact) if said else reply
    assert whole.startswith(said)
    added = whole[len(said) :].strip()
    assert reply.strip().endswith(added) or reply.strip() == "" or added in reply


def _request() -> ChatRequest:
    turns = (
        Message(role="system", parts=(Text(text="Tu es Molière."),)),
        Message(role="user", parts=(Text(text="Pourquoi le ciel est bleu et pas vert ?"),)),
    )
    return ChatRequest(model="auto", messages=turns, max_tokens=100)


def test_prefill_only_where_the_model_has_it() -> None:
    said = "Le ciel est bleu."
    native = continuation(_request(), said, prefills=True)
    assert native.prefill == said
    assert native.messages == _request().messages

    asked = continuation(_request(), said, prefills=False)
    assert asked.prefill == ""
    assert [m.role for m in asked.messages] == ["system", "user", "assistant", "user"]
    assert asked.messages[0].text == "Tu es Molière."  # the persona stays the only system turn
    assert asked.messages[-1].text == CONTINUE["fr"].replace("{tail}", said)
    assert asked.max_tokens is not None
    assert asked.max_tokens < 100


def test_the_operator_may_word_the_instruction() -> None:
    asked = continuation(_request(), "Le ciel.", prefills=False, instruction="Weiter ab: {tail}")
    assert asked.messages[-1].text == "Weiter ab: Le ciel."


def test_nothing_shown_nothing_to_continue() -> None:
    assert continuation(_request(), "", prefills=False) == _request()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", "en"),
        ("Wie heißt die Hauptstadt von Frankreich und warum?", "de"),
        ("¿Cuál es la capital de Francia?", "es"),
        ("Qual è la capitale della Francia?", "it"),
        ("Какая столица Франции?", "ru"),
        ("法国的首都是什么？", "zh"),
        ("フランスの首都は何ですか？", "ja"),
        ("프랑스의 수도는 어디인가요?", "ko"),
        ("ما هي عاصمة فرنسا؟", "ar"),
        ("फ्रांस की राजधानी क्या है?", "hi"),
        ("print(1)", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language
