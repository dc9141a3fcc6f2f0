"""Form features are finite, in order, and see what they are named after."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.assessment import Task
from classifier.cues import CUES
from classifier.features import FORM_NAMES, form, named_task, structure
from classifier.text import Ask, read_ask
from models.chat import ChatRequest, ResponseFormat, Tool
from tests.classifier.asks import IMAGE, request, turn, user


def named(text: str) -> dict[str, float]:
    return dict(zip(FORM_NAMES, form(read_ask(user(text))).tolist(), strict=True))


@given(st.text(max_size=300))
def test_any_text_has_a_form(text: str) -> None:
    vector = form(Ask(text=text, chars=len(text)))
    assert vector.shape == (len(FORM_NAMES),)
    assert np.isfinite(vector).all()


def test_lone_surrogates_are_text_too() -> None:
    assert np.isfinite(form(Ask(text="\ud800 broken"))).all()


@pytest.mark.parametrize(
    "piece",
    [
        "at (:",
        "def ",
        "\n",
        " ",
        "\t",
        "\u201c",
        '"',
        "$",
        "(",
        "1,",
        "a/",
        "A",
        "A) ",
        "how ",
        "in a ",
        "```",
        "-",
        "\\a{",
    ],
)
def test_no_prompt_is_slow(piece: str) -> None:
    ask = read_ask(user("x" + piece * 8000 + "x"))
    started = time.process_time()
    form(ask)
    assert time.process_time() - started < 0.1


def test_names_are_unique() -> None:
    assert len(set(FORM_NAMES)) == len(FORM_NAMES)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("```py\nprint(1)\n```", "fences"),
        ("def f(x):\n    return x", "code_words"),
        ("Traceback (most recent call last)", "traceback"),
        ("what is in src/main.rs", "path"),
        ("$\\frac{1}{2}$", "latex"),
        ("A) one\nB) two", "choices"),
        ("Who wrote it?", "ends_question"),
        ("когда", "cyrillic"),
        ("为什么", "han"),
        ("なぜ", "kana"),
        ("안녕", "hangul"),
        ("مرحبا", "arabic"),
        ("नमस्ते", "devanagari"),
        ("größer", "accented"),
        ("😀", "emoji"),
        ("x = 3 + 4", "math_marks"),
    ],
)
def test_a_feature_sees_its_name(text: str, feature: str) -> None:
    assert named(text)[feature] > 0
    assert named("the cat sat down")[feature] == 0


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("Translate to French: hello", "translate"),
        ("请翻译成英文", "translate"),
        ("tl;dr", "summarise"),
        ("Fix the grammar", "rewrite"),
        ("sentiment: meh", "classify"),
        ("Extract all names", "extract"),
        ("a haiku", "create"),
        ("write a python script", "code"),
        ("Prove that", "solve"),
        ("why", "explain"),
        ("hello", "talk"),
        ("the following", "given"),
    ],
)
def test_cues(text: str, cue: str) -> None:
    assert CUES[cue].search(text)
    assert named(text)[f"opening_{cue}"] == 1


def test_cues_need_whole_words() -> None:
    assert not CUES["code"].search("decoded")
    assert not CUES["talk"].search("this")


def test_structure_counts_what_the_request_has() -> None:
    asked = ChatRequest(
        model="auto",
        messages=(turn("system", "Be brief."), turn("user", "```x```"), turn("user", "why", IMAGE)),
        tools=(Tool(name="read"),),
        response_format=ResponseFormat(kind="json_object"),
    )
    assert structure(asked, read_ask(asked), form(read_ask(asked))) == {
        "prompt_chars": 3,
        "context_chars": 19,
        "turns": 2,
        "tools": 1,
        "has_code": 1,
        "has_media": 1,
        "wants_json": 1,
    }


def test_media_decides_the_task() -> None:
    likely: dict[Task, float] = {"code": 0.9, "chat": 0.1}
    assert named_task(read_ask(user("fix it")), likely) == "code"
    assert named_task(read_ask(request(turn("user", "fix it", IMAGE))), likely) == "multimodal"
