"""The judge's question and reply."""

from __future__ import annotations

import pytest

from router.learning.verdict import qualities, question, share_of_first
from tests.router.ledger_world import ask


@pytest.mark.parametrize(
    ("fast_first", "deep_first", "fast", "deep"),
    [
        ("[[A]]", "[[B]]", 1.0, 0.0),
        ("[[B]]", "[[A]]", 0.0, 1.0),
        ("[[C]]", "[[C]]", 0.5, 0.5),
        ("[[A]]", "[[A]]", 0.5, 0.5),  # it prefers the first, whichever that is
        ("[[B]]", "[[B]]", 0.5, 0.5),
        ("[[C]]", "[[A]]", 0.25, 0.75),
        ("[[A]]", "[[C]]", 0.75, 0.25),
    ],
)
def test_only_what_survives_the_swap_counts_in_full(
    fast_first: str, deep_first: str, fast: float, deep: float
) -> None:
    assert qualities(fast_first, deep_first) == (fast, deep)


@pytest.mark.parametrize("reply", ["", "A", "[[D]]", "I cannot tell."])
def test_no_verdict_is_not_a_tie(reply: str) -> None:
    assert share_of_first(reply) is None
    assert qualities(reply, "[[A]]") is None
    assert qualities("[[A]]", reply) is None


def test_the_last_word_counts() -> None:
    assert share_of_first("At first sight [[A]], but it is wrong: [[B]]") == 0.0


def test_the_judge_sees_the_question_and_both_answers_in_their_order() -> None:
    asked = question(ask("How long is it?"), "one", "two", judge="anthropic/big")
    text = asked.messages[-1].text
    assert [text.index(part) for part in ("How long", "one", "two")] == sorted(
        text.index(part) for part in ("How long", "one", "two")
    )
    assert (asked.model, asked.messages[0].role) == ("anthropic/big", "system")


def test_a_long_text_is_cut_in_its_middle() -> None:
    asked = question(ask("q"), "x" * 100_000 + "THE END", "two", judge="j")
    text = asked.messages[-1].text
    assert len(text) < 30_000
    assert "THE END" in text
