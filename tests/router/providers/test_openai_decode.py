"""Reading chat/completions: the order of events, and what hosts leave out."""

from __future__ import annotations

import pytest

from models.errors import BadReply, HeadstartError, Overloaded, ProviderServerError, StreamBroken
from models.stream import (
    Alive,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    Usage,
    UsageReported,
)
from tests.router.providers.openai_chunks import (
    DONE,
    FORMAT,
    REPORTED,
    STARTED,
    USAGE,
    chunk,
    data,
    failure,
    read,
)


def test_the_finish_waits_for_the_usage_that_comes_after_it() -> None:
    decoder = FORMAT.decoder()
    assert decoder.feed(chunk({"content": "Hi"})) == [STARTED, TextDelta("Hi")]
    assert decoder.feed(chunk(finish="stop")) == [Alive()]
    assert decoder.feed(data({"choices": [], "usage": USAGE})) == [REPORTED]
    assert decoder.feed(DONE) == [Finished("stop", "stop")]
    assert decoder.feed(chunk({"content": "late"})) == []
    assert decoder.close() == []


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([chunk(finish="stop")], id="no end mark"),
        pytest.param([chunk(finish="stop"), b"data: [DONE]"], id="no blank line"),
        pytest.param([chunk(finish="stop"), b"data: [DO"], id="half an end mark"),
        pytest.param([chunk(finish="stop"), b'data: {"choices":[],"usa'], id="half a chunk"),
        pytest.param([chunk(), DONE], id="no finish reason"),
        pytest.param([chunk(finish="stop"), DONE.replace(b"\n", b"\r\n")], id="CRLF"),
    ],
)
def test_replies_that_are_complete_enough(pieces: list[bytes]) -> None:
    events = read(chunk({"content": "Hi"}), *pieces)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


def test_neither_finish_nor_end_mark_is_a_broken_stream() -> None:
    assert isinstance(failure(read(chunk({"content": "Hi"}))), StreamBroken)
    assert isinstance(failure(read()), StreamBroken)
    assert isinstance(failure(read(b": keep-alive\n\n")), StreamBroken)


def test_an_end_mark_alone_is_no_reply() -> None:
    assert isinstance(failure(read(DONE)), BadReply)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),  # without a call, no client may wait for one
    ],
)
def test_finish_reasons(word: str, reason: str) -> None:
    events = read(chunk({"content": "Hi"}), chunk(finish=word), DONE)
    assert events[-1] == Finished(reason, word)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("error", ProviderServerError),
        ("abort", ProviderServerError),
        ("insufficient_system_resource", Overloaded),
    ],
)
def test_finish_reasons_that_are_failures(word: str, expected: type[HeadstartError]) -> None:
    error = failure(read(chunk({"content": "Hi"}), chunk(finish=word), DONE))
    assert type(error) is expected
    assert error.retryable


def test_log_probabilities_come_with_their_text() -> None:
    entry = {
        "token": "Hi",
        "logprob": -0.5,
        "bytes": [72, 105],
        "top_logprobs": [{"token": "Ho", "logprob": -1.5}, {"token": "?", "logprob": None}],
    }
    choice = {
        "index": 0,
        "delta": {"content": "Hi"},
        "logprobs": {"content": [entry, {"token": "x", "logprob": None}]},
    }
    events = read(data({"id": "c1", "model": "m", "choices": [choice]}), DONE)
    assert events[1] == TextDelta("Hi", (TokenLogprob("Hi", -0.5, (("Ho", -1.5),)),))


def test_a_refusal_is_marked_as_one() -> None:
    assert read(chunk({"refusal": "No."}), DONE)[1] == RefusalDelta("No.")


def test_other_choices_do_not_mix_into_the_answer() -> None:
    other = {"index": 1, "delta": {"content": "other"}}
    events = read(chunk({"content": "Hi"}), data({"id": "c1", "choices": [other]}), DONE)
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Hi"]


def test_signs_of_life() -> None:
    decoder = FORMAT.decoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\n") == [Alive()]
    assert decoder.feed(b": keep-alive\n") == [Alive()]
    assert decoder.feed(b"\ndata:\n\n") == [Alive()]
    assert decoder.feed(b"event: ping\ndata: whatever\n\n") == [Alive()]
    assert decoder.feed(b"dat") == []
    assert decoder.feed(b'a: {"type":"ping"}\n\n') == [Alive()]


def test_fields_of_unexpected_kinds_do_not_matter() -> None:
    reply = {
        "id": 17,
        "model": None,
        "choices": [{"index": None, "delta": {"content": "Hi", "role": 3}, "extra": {}}],
        "usage": {"prompt_tokens": None, "completion_tokens": 3, "cost": {"usd": 1}},
        "created": "yesterday",
    }
    assert read(data(reply), DONE)[:3] == [
        Started("17", ""),
        TextDelta("Hi"),
        UsageReported(Usage(output=3)),
    ]


def test_legacy_completions_have_their_text_in_the_choice() -> None:
    legacy = {"id": "c1", "model": "m", "choices": [{"index": 0, "text": "Hi"}]}
    assert read(data(legacy), DONE)[1] == TextDelta("Hi")
