"""Thinking in chat/completions: three names, and the objects that must be handed back."""

from __future__ import annotations

import pytest

from models.chat import Opaque
from models.stream import ReasoningDelta, TextDelta
from tests.router.providers.openai_chunks import DONE, call, calls, chunk, read


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_by_either_name(field: str) -> None:
    events = read(chunk({field: "Hm"}), chunk({"content": "Yes", field: None}), DONE)
    assert events[1:3] == [ReasoningDelta("Hm"), TextDelta("Yes")]


def test_both_names_at_once_say_it_once() -> None:
    events = read(chunk({"reasoning_content": "Hm", "reasoning": "Hm"}), DONE)
    assert events.count(ReasoningDelta("Hm")) == 1


def test_objects_in_pieces_come_out_whole_before_the_answer() -> None:
    piece = {"type": "reasoning.text", "index": 0, "format": "x"}
    events = read(
        chunk({"reasoning": "Let ", "reasoning_details": [{**piece, "text": "Let "}]}),
        chunk({"reasoning": "me", "reasoning_details": [{**piece, "text": "me"}]}),
        chunk({"content": "", "reasoning_details": [{**piece, "signature": "sig"}]}),
        chunk({"content": "Yes"}),
        DONE,
    )
    whole = {**piece, "text": "Let me", "signature": "sig"}
    opaque = Opaque(vendor="openai", kind="reasoning_details", value=whole)
    assert events[1:-1] == [
        ReasoningDelta("Let "),
        ReasoningDelta("me"),
        ReasoningDelta(opaque=opaque),
        TextDelta("Yes"),
    ]


def test_objects_of_other_kinds_stay_apart() -> None:
    details = [
        {"type": "reasoning.summary", "index": 0, "summary": "S"},
        {"type": "reasoning.encrypted", "index": 0, "data": "A"},
        {"type": "reasoning.encrypted", "index": 0, "data": "B"},
        {"type": "reasoning.text", "index": 1, "text": "", "signature": None},
    ]
    events = read(chunk({"reasoning_details": details}), DONE)
    values = [e.opaque.value for e in events if isinstance(e, ReasoningDelta) and e.opaque]
    assert values == details[:3]
    assert ReasoningDelta("S") in events  # no plain field said it


def test_thinking_blocks_of_litellm() -> None:
    events = read(
        chunk({"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]}),
        chunk({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]}),
        calls(call(0, "a", "f", "{}")),
        DONE,
    )
    block = {"type": "thinking", "thinking": "Hm", "signature": "s"}
    opaque = Opaque(vendor="openai", kind="thinking_blocks", value=block)
    assert [e for e in events if isinstance(e, ReasoningDelta)] == [
        ReasoningDelta("Hm"),
        ReasoningDelta(opaque=opaque),
    ]


def test_content_that_is_a_list() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True},
        {"type": "text", "text": "Yes"},
        {"type": "reference", "reference_ids": [1]},
    ]
    assert read(chunk({"content": content}), DONE)[1:3] == [
        ReasoningDelta("Hm"),
        TextDelta("Yes"),
    ]
