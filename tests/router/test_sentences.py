"""The sentence gate against the golden rules, read as a stream: one character after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.sentences import first_boundary

_DATA = Path(__file__).parent / "data" / "golden_rules.json"
_RULES: list[dict[str, Any]] = json.loads(_DATA.read_text())["rules"]
_KNOWN_WRONG = {("Arabic", 5)}  # wants a break at each comma: a clause is not a sentence


def _first_streamed(text: str) -> str:
    for length in range(1, len(text) + 1):
        boundary = first_boundary(text[:length])
        if boundary is not None:
            return text[:boundary]
    return text[: first_boundary(text, complete=True)]


def _plain(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("rule", _RULES, ids=lambda r: f"{r['language']}-{r['rule']}")
def test_golden_rule(rule: dict[str, Any]) -> None:
    text = str(rule["text"]).replace("\\n", "\n").replace('\\"', '"')
    right = _plain(_first_streamed(text)) == _plain(rule["sentences"][0])
    assert right is ((rule["language"], rule["rule"]) not in _KNOWN_WRONG)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("```python\nprint('a. B')\n```\nThen run it. Done.", "```python\nprint('a. B')\n```"),
        ("# Title\n\nFirst. Second.", "# Title"),
        ("- one item\n- another item\n", "- one item"),
        ("Here are the steps:\n\n1. Install it.\n", "Here are the steps:"),
        ("Use `pip install x.y` first. Then go.", "Use `pip install x.y` first."),
        ("Version 3.11 is out. Get it.", "Version 3.11 is out."),
        ("See e.g. The Hobbit for that. Fine.", "See e.g. The Hobbit for that."),
        ("**Yes.** It works.", "**Yes.**"),
    ],
)
def test_answers_as_models_write_them(text: str, first: str) -> None:
    assert _first_streamed(text) == first


def test_nothing_is_decided_before_the_mark_is_clear() -> None:
    assert first_boundary("It costs 3.") is None
    assert first_boundary("It costs 3.5") is None
    assert first_boundary("I met Mr. ") is None
    assert first_boundary("Hello.") is None
    assert first_boundary("Hello. ") is None
    assert first_boundary("Hello. H") == 6


@given(st.text(max_size=200))
def test_a_boundary_lies_inside_the_text_and_shows_something(text: str) -> None:
    boundary = first_boundary(text, complete=True)
    if boundary is None:
        assert not text.strip()
    else:
        assert 0 < boundary <= len(text)
        assert text[:boundary].strip()


@given(st.text(alphabet='aB .!?\n"()1', max_size=60), st.text(alphabet="aB .!?1", max_size=10))
def test_more_text_does_not_move_a_boundary_that_was_certain(text: str, more: str) -> None:
    boundary = first_boundary(text)
    if boundary is not None:
        assert first_boundary(text + more) == boundary
