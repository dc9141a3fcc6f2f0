"""How a model is asked to go on."""

from __future__ import annotations

import pytest

from models.chat import ChatRequest, Message, Text
from router.baton import continuation
from router.languages import CONTINUE, language_of
from router.seam.anchor import anchor


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


def test_a_prefill_does_not_end_in_white_space() -> None:
    assert continuation(_request(), "Le ciel \n\n", prefills=True).prefill == "Le ciel"


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("The capital of Fra", "The capital of Fra"),
        ("It flows through six countries before it reaches ", "six countries before it reaches"),
        ("That is one line.\nTwo more lines", "Two more lines"),
        ("它在巴黎。这座城市很古老，河流穿过城市中心。", "古老，河流穿过城市中心。"),
        ("Das ist Teil eins.\n\n- a b c d\n- a b c d\n", "- a b c d - a b c d"),
        ("See https://example.com/" + "0123456789" * 3 + "abcdefghij" * 6, "abcdefghij" * 6),
        (" \n", ""),
    ],
)
def test_the_words_to_begin_with(transcript: str, words: str) -> None:
    assert anchor(transcript) == words


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
