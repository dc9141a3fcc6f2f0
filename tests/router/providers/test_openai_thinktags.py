"""Thinking between tags in the text: whole, in pieces, and tags that are part of the answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.stream import (
    Finished,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolCallStarted,
)
from router.providers.openai.thinktags import ThinkTags
from tests.router.providers.openai_chunks import DONE, FORMAT, call, calls, chunk, data, read

BODY = "<think>\nThe user wants a greeting.\n</think>\n\nHello <b>you</b>."


def said(events: list[StreamEvent]) -> tuple[str, str]:
    """Thinking and text."""
    thought = "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    return thought, "".join(e.text for e in events if isinstance(e, TextDelta))


def in_pieces(*texts: str) -> tuple[str, str]:
    return said(read(*(chunk({"content": text}) for text in texts), chunk(finish="stop"), DONE))


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=30))
def test_tags_may_be_cut_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(BODY)]
    pieces = [BODY[a:b] for a, b in pairwise(places)]
    assert in_pieces(*pieces) == ("The user wants a greeting.\n", "Hello <b>you</b>.")


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("<think>\n\n</think>\n\nHi.", "", "Hi."),  # told not to think
        ("\n<think>Hm.</think>Hi.", "Hm.", "Hi."),
        ("<think>a < b </thin </ </think> Hi.", "a < b </thin </ ", "Hi."),
        ("<think>Hm.</think>Use <think>.", "Hm.", "Use <think>."),
        ("In HTML, <think> is no tag; </think> neither.", "", None),
        ("<thinking> is Claude's, as an example.", "", None),
        ("< 3 is a heart", "", None),
        ("  indented", "", None),
        ("<thi", "", None),
        ("<think>Hm. </thi", "Hm. </thi", ""),
        ("\n", "", None),
    ],
)
def test_what_is_thinking_and_what_is_not(text: str, thought: str, answer: str | None) -> None:
    expected = (thought, text if answer is None else answer)
    assert in_pieces(text) == expected
    assert in_pieces(*text) == expected


def test_a_whole_reply_is_read_the_same_way() -> None:
    body = data({"id": "c1", "choices": [{"message": {"content": BODY}}]}).removeprefix(b"data: ")
    thought, text = said(FORMAT.decode_body(body))
    assert (thought, text) == ("The user wants a greeting.\n", "Hello <b>you</b>.")


def test_thinking_comes_before_the_tool_call() -> None:
    events = read(
        chunk({"content": "<think>I need it.</think>\n\n"}),
        calls(call(0, "a", "f", "{}")),
        chunk(finish="tool_calls"),
        DONE,
    )
    kinds = [type(e) for e in events]
    assert kinds.index(ReasoningDelta) < kinds.index(ToolCallStarted)
    assert said(events) == ("I need it.", "")
    assert events[-1] == Finished("tool_calls", "tool_calls")


def test_the_first_pieces_of_a_plain_answer_keep_their_log_probabilities() -> None:
    tags, out = ThinkTags(), list[StreamEvent]()
    first, second = (TokenLogprob("<", -0.5),), (TokenLogprob("b>", -0.1),)
    tags.feed("<", first, out)
    assert out == []
    tags.feed("b>", second, out)
    assert out == [TextDelta("<", first), TextDelta("b>", second)]
    assert not tags.open
