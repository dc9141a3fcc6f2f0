"""Where the gate cuts a draft in which no sentence ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stream import TextDelta
from router import graphemes
from router.cuts import last_break
from router.fences import blocks
from router.gate import Gate
from router.sentences import first_boundary


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one two three", "one two"),
        ("one\ntwo three", "one"),
        ("one two \n\n three", "one two"),
        ("一二三，四五六", "一二三，"),
        ("一二三四五六", "一二三四五"),
        ("read [the long book](https://a.b/c d", "read"),
        ("read [the long book", "read"),
        ("read ![the map](https://a.b/c)", "read"),
        ("use `pip install x", "use"),
        ("use ``a ` b`` now", "use ``a ` b``"),
        ("it is **very very", "it is"),
        ("see https://a.b/c,d", "see"),
        ("Code:\n```py\na = 1\nb = 2", "Code:"),
        ("```py\na = 1\nb = 2", "```py\na = 1"),
        ("```py\na = 1\n```\nfoo bar", "```py\na = 1\n```"),
        ("```py\na", "```py"),
        ("a🇫🇷🇩", "a🇫🇷"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("word", "wor"),
        ("x", "x"),
    ],
)
def test_last_break(text: str, shown: str) -> None:
    assert text[: last_break(text)] == shown


_TEXT = st.text("ab ,，、\n`*[]()#-1.👩💻👍🏽🇫🇷e\u0301\u200dक\u094dष한", min_size=1, max_size=60)


@given(_TEXT)
def test_a_cut_shows_something_and_parts_nothing_whole(text: str) -> None:
    cut = last_break(text)
    assert 0 < cut <= len(text)
    assert not graphemes.joined(text, cut)
    for fence, end in blocks(text):
        inside = fence.start < cut < (len(text) if end is None else end)
        opens = text[: fence.start].strip() == "" and end is None
        assert not inside or (opens and cut >= fence.end - 1) or text[:cut].strip("`~ ") == ""


@given(_TEXT, st.booleans())
def test_a_sentence_does_not_end_inside_a_cluster(text: str, complete: bool) -> None:
    boundary = first_boundary(text, complete=complete)
    assert boundary is None or not graphemes.joined(text, boundary)


def test_a_sentence_does_not_end_inside_code_or_a_link() -> None:
    assert first_boundary("Use `a. B` now. Then go.") == len("Use `a. B` now.")
    assert first_boundary("Read [Fig. One. Two](http://a.b) now. Then go.") == len(
        "Read [Fig. One. Two](http://a.b) now."
    )


def test_the_gate_cuts_a_draft_without_a_sentence() -> None:
    gate = Gate()
    while gate.sentence() is None:
        gate.hold(TextDelta("no end of words "))
    assert gate.text[: gate.sentence()].endswith(" of words")
    assert 580 < (gate.sentence() or 0) < 640
