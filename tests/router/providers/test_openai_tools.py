"""Tool calls of chat/completions: in pieces, in parallel, and not whole."""

from __future__ import annotations

import pytest

from models.chat import Opaque
from models.errors import BadReply, StreamBroken
from models.stream import Finished, ToolArgsDelta, ToolCallEnded, ToolCallStarted
from tests.router.providers.openai_chunks import DONE, call, calls, chunk, failure, read


def test_a_call_in_pieces() -> None:
    events = read(
        calls(call(0, "a", "f", "")),
        calls(call(0, None, None, '{"x"')),
        calls(call(0, None, "", ": 1}")),
        chunk(finish="tool_calls"),
        DONE,
    )
    assert events[1:] == [
        ToolCallStarted(0, "a", "f"),
        ToolArgsDelta(0, '{"x"'),
        ToolArgsDelta(0, ": 1}"),
        ToolCallEnded(0),
        Finished("tool_calls", "tool_calls"),
    ]


@pytest.mark.parametrize("arguments", ["", None, "{}"])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    events = read(calls(call(0, "a", "f", arguments), finish="tool_calls"), DONE)
    assert events[1:] == [
        ToolCallStarted(0, "a", "f"),
        ToolArgsDelta(0, "{}"),
        ToolCallEnded(0),
        Finished("tool_calls", "tool_calls"),
    ]


def test_arguments_may_come_as_an_object() -> None:
    events = read(calls(call(0, "a", "f", {"x": [1]})), DONE)
    assert ToolArgsDelta(0, '{"x":[1]}') in events
    assert ToolCallEnded(0) in events


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [calls(call(0, "a", "f", "{}")), calls(call(1, "b", "g", '{"y":2}'))],
            id="by index",
        ),
        pytest.param(
            [calls(call(0, "a", "f", "{}")), calls(call(0, "b", "g", '{"y":2}'))],
            id="all at index 0",
        ),
        pytest.param(
            [calls(call(None, "a", "f", "{}"), call(None, "b", "g", '{"y":2}'))],
            id="no index",
        ),
        pytest.param(
            [
                calls(call(None, "a", "f", "{}")),
                calls(call(None, "b", "g", '{"y"')),
                calls(call(None, None, None, ":2}")),
            ],
            id="no index, in pieces",
        ),
        pytest.param(
            [
                calls(call(3, "a", "f", "{"), call(5, "b", "g", "{")),
                calls(call(5, None, None, '"y":2}'), call(3, None, None, "}")),
            ],
            id="interleaved",
        ),
    ],
)
def test_parallel_calls_however_they_are_told_apart(pieces: list[bytes]) -> None:
    events = read(*pieces, chunk(finish="tool_calls"), DONE)
    assert [e for e in events if isinstance(e, ToolCallStarted)] == [
        ToolCallStarted(0, "a", "f"),
        ToolCallStarted(1, "b", "g"),
    ]
    for index, wanted in enumerate(["{}", '{"y":2}']):
        pieces_of = [e.text for e in events if isinstance(e, ToolArgsDelta) and e.index == index]
        assert "".join(pieces_of) == wanted
        assert events.count(ToolCallEnded(index)) == 1
    assert events[-1] == Finished("tool_calls", "tool_calls")


def test_a_whole_call_ends_before_the_next_begins() -> None:
    events = read(calls(call(0, "a", "f", "{}")), calls(call(1, "b", "g", "{}")), DONE)
    assert events.index(ToolCallEnded(0)) < events.index(ToolCallStarted(1, "b", "g"))


def test_a_call_is_told_once_its_name_is_known() -> None:
    events = read(calls(call(0, "a", None, '{"x"')), calls(call(0, None, "f", ":1}")), DONE)
    assert events[1:4] == [
        ToolCallStarted(0, "a", "f"),
        ToolArgsDelta(0, '{"x"'),
        ToolArgsDelta(0, ":1}"),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    events = read(calls(call(0, None, "f", "{}"), call(1, "", "g", "{}")), DONE)
    ids = [event.id for event in events if isinstance(event, ToolCallStarted)]
    assert all(ids)
    assert len(set(ids)) == 2


@pytest.mark.parametrize("finish", ["tool_calls", "stop", None])
@pytest.mark.parametrize("arguments", ['{"x":', "[1]", '"text"', "{} {}"])
def test_arguments_that_are_no_object_fail(finish: str | None, arguments: str) -> None:
    events = read(calls(call(0, "a", "f", arguments), finish=finish), DONE)
    assert isinstance(failure(events), BadReply)
    assert ToolCallEnded(0) not in events


def test_a_call_that_goes_on_after_its_end_fails() -> None:
    events = read(
        calls(call(0, "a", "f", "{}")),
        calls(call(1, "b", "g", "{}")),
        calls(call(0, None, None, ',"x":1}')),
        DONE,
    )
    assert isinstance(failure(events), BadReply)


@pytest.mark.parametrize("arguments", ["", '{"x":'])
def test_a_length_limit_may_cut_a_call(arguments: str) -> None:
    events = read(calls(call(0, "a", "f", arguments)), chunk(finish="length"), DONE)
    assert events[-1] == Finished("length", "length")
    assert ToolCallEnded(0) not in events


def test_a_stream_that_breaks_ends_no_call() -> None:
    events = read(calls(call(0, "a", "f", "{}")))
    assert isinstance(failure(events), StreamBroken)
    assert ToolCallEnded(0) not in events


def test_a_vendor_s_fields_travel_with_the_call() -> None:
    piece = call(0, "a", "f", "{}") | {"extra_content": {"google": {"thought_signature": "s"}}}
    started = read(calls(piece), DONE)[1]
    assert isinstance(started, ToolCallStarted)
    assert started.opaque == (
        Opaque(
            vendor="openai",
            kind="extra_content",
            value={"google": {"thought_signature": "s"}},
        ),
    )
