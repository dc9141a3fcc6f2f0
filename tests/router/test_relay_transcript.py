"""What a reply shows as it comes: words when they are whole, marks when something is in them."""

from __future__ import annotations

import pytest

from models.stream import TextDelta
from router.transcript import Step, Transcript


def _shown(*pieces: str) -> str:
    transcript = Transcript(0.0)
    for piece in pieces:
        transcript.show_text(Step(), TextDelta(piece), 0.0)
    return transcript.text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The capi", "The"),
        ("The capital, ", "The capital,"),
        ("Yes. \n\n", "Yes."),
        ("पानी 40 सेमी से नी", "पानी 40 सेमी से"),
        ("길이는 약 1233km입니", "길이는 약"),
        ("它流经六个国", "它流经六个国"),
        ("แม่น้ำไหลผ่าน", "แม่น้ำไหลผ่าน"),
        ("He said «", "He said"),
        ("a bad joke (", "a bad joke"),
        ("You need:\n\n- ", "You need:"),
        ("You need:\n\n- flour\n2", "You need:\n\n- flour"),
        ("Steps:\n1.", "Steps:"),
        ("Text.\n\n## ", "Text."),
        ("| a | b |\n|--", "| a | b |"),
        ("| a | b |\n|---|---|\n", "| a | b |\n|---|---|"),
        ("| a | b |\n|", "| a | b |"),
        ("Run:\n```", "Run:"),
        ("Run:\n```py", "Run:"),
        ("Run:\n```python\n", "Run:\n```python"),
        ("5 - ", "5 -"),
        ("Look: **", "Look: **"),
        ("Text.\n" + "-" * 60, "Text.\n" + "-" * 60),
    ],
)
def test_nothing_half_is_shown(said: str, shown: str) -> None:
    assert _shown("Yes.\n", *said) == f"Yes.\n{shown}"


def test_what_waits_comes_with_the_end() -> None:
    transcript, step = Transcript(0.0), Step()
    transcript.show_text(step, TextDelta("Run:\n```sh\nup\n```"), 0.0)
    assert transcript.text == "Run:\n```sh\nup"
    transcript.flush(step, 0.0)
    assert transcript.text == "Run:\n```sh\nup\n```"


def test_the_first_word_does_not_wait() -> None:
    assert _shown("capi") == "capi"
    assert _shown("- ") == "-"


def test_each_token_is_shown_where_its_probability_counts() -> None:
    transcript = Transcript(0.0, whole_words=False)
    transcript.show_text(Step(), TextDelta("capi"), 0.0)
    transcript.show_text(Step(), TextDelta("tal \n- "), 0.0)
    assert transcript.text == "capital \n- "
