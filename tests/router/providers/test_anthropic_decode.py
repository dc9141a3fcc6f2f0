from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.chat import Json, Opaque
from models.errors import (
    BadReply,
    HeadstartError,
    Overloaded,
    ProviderAuthError,
    ProviderServerError,
    QuotaExhausted,
    StreamBroken,
)
from models.stream import (
    Alive,
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.providers.anthropic import AnthropicFormat
from tests.fakes.recordings import recording

START: Json = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude", "content": [], "usage": {"input_tokens": 3}},
}
STOP: Json = {"type": "message_stop"}
STARTED = [Started("msg_1", "claude"), UsageReported(Usage(input=3))]


def sse(*events: Json) -> bytes:
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return "".join(frames).encode()


def block(index: int, **content: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, **content: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": content}


def shut(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def because(stop_reason: str, **usage: Json) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


def read(data: bytes, *, step: int = 1 << 30) -> list[StreamEvent]:
    decoder = AnthropicFormat().decoder()
    events: list[StreamEvent] = []
    for start in range(0, len(data), step):
        events += decoder.feed(data[start : start + step])
    return [event for event in events + decoder.close() if not isinstance(event, Alive)]


def failure(events: list[StreamEvent]) -> HeadstartError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


def test_thoughts_text_and_a_tool_call() -> None:
    data = sse(
        START,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm."),
        delta(0, type="signature_delta", signature="sig"),
        shut(0),
        block(1, type="redacted_thinking", data="secret"),
        shut(1),
        block(2, type="text", text=""),
        delta(2, type="text_delta", text="Hi"),
        shut(2),
        block(3, type="tool_use", id="t1", name="look", input={}),
        delta(3, type="input_json_delta", partial_json=""),
        delta(3, type="input_json_delta", partial_json='{"a":'),
        delta(3, type="input_json_delta", partial_json="1}"),
        shut(3),
        block(4, type="tool_use", id="t2", name="rest", input={}),
        shut(4),
        because("tool_use", output_tokens=9),
        STOP,
    )
    assert read(data) == [
        *STARTED,
        ReasoningDelta("Hm."),
        ReasoningDelta("", Opaque(vendor="anthropic", kind="signature", value="sig")),
        ReasoningDelta("", Opaque(vendor="anthropic", kind="redacted_thinking", value="secret")),
        TextDelta("Hi"),
        ToolCallStarted(0, "t1", "look"),
        ToolArgsDelta(0, '{"a":'),
        ToolArgsDelta(0, "1}"),
        ToolCallEnded(0),
        ToolCallStarted(1, "t2", "rest"),
        ToolArgsDelta(1, "{}"),
        ToolCallEnded(1),
        UsageReported(Usage(input=3, output=9)),
        Finished("tool_calls", "tool_use"),
    ]


def test_the_whole_message_gives_the_same_events() -> None:
    message = {
        "id": "msg_1",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "text", "text": "Hi"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 9},
    }
    assert AnthropicFormat().decode_body(json.dumps(message).encode()) == [
        Started("msg_1", "claude"),
        UsageReported(Usage(input=3, output=9)),
        ReasoningDelta("Hm."),
        ReasoningDelta("", Opaque(vendor="anthropic", kind="signature", value="sig")),
        TextDelta("Hi"),
        ToolCallStarted(0, "t1", "look"),
        ToolArgsDelta(0, '{"a":1}'),
        ToolCallEnded(0),
        Finished("tool_calls", "tool_use"),
    ]


def test_compaction_is_billed_on_top_of_the_last_pass() -> None:
    events = read(recording("anthropic/stream-compaction-cache-usage").body)
    assert [e.usage for e in events if isinstance(e, UsageReported)][-1] == Usage(
        input=181 + 100 + 55096, output=8 + 83, cache_read=55096
    )


def test_an_advisor_of_another_model_is_not_added_at_this_ones_price() -> None:
    events = read(recording("anthropic/stream-advisor-sonnet5").body)
    usage = [e.usage for e in events if isinstance(e, UsageReported)][-1]
    assert (usage.input, usage.output, usage.reasoning) == (2411, 145, 47)


def test_cached_tokens_are_part_of_the_input_and_counters_are_cumulative() -> None:
    first = {
        "input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 5},
        "output_tokens": 1,
    }
    started = {"type": "message_start", "message": {"usage": first}}
    last = because("end_turn", input_tokens=11, output_tokens=7, cache_read_input_tokens=None)
    events = read(sse(started, last, STOP))
    assert [e.usage for e in events if isinstance(e, UsageReported)] == [
        Usage(input=60, output=1, cache_read=20, cache_write=30, cache_write_1h=5),
        Usage(input=61, output=7, cache_read=20, cache_write=30, cache_write_1h=5),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("a_future_reason", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    last = read(sse(START, because(raw), STOP))[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.raw) == (reason, raw)


HALF_CALL = (
    START,
    block(0, type="tool_use", id="t", name="look", input={}),
    delta(0, type="input_json_delta", partial_json='{"a":'),
)


@pytest.mark.parametrize("raw", ["max_tokens", "refusal"])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_call_that_was_cut_off_is_never_ended(raw: str, stopped: bool) -> None:
    events = read(sse(*HALF_CALL, *([shut(0)] if stopped else []), because(raw), STOP))
    assert not any(isinstance(event, ToolCallEnded) for event in events)
    assert isinstance(events[-1], Finished)


def test_a_call_that_is_no_json_is_a_bad_reply() -> None:
    error = failure(read(sse(*HALF_CALL, shut(0), because("tool_use"), STOP)))
    assert isinstance(error, BadReply)
    assert error.retryable


def test_a_second_message_does_not_glue_two_inputs() -> None:
    events = read(recording("anthropic/stream-spliced-message-start").body)
    assert isinstance(failure(events), BadReply)
    arguments = [event.text for event in events if isinstance(event, ToolArgsDelta)]
    assert arguments == ['{"value":"Spark']


def test_what_is_not_known_yet_is_skipped() -> None:
    data = sse(
        START,
        {"type": "news", "index": "of any", "delta": 7, "error": []},
        block(0, type="hologram", text="not text"),
        delta(0, type="hologram_delta", text="nor this", beams=[1]),
        shut(0),
        block(1, type="text", text="Hi"),
        delta(1, type="citations_delta", citation={"cited_text": "source"}),
        shut(1),
        because("end_turn"),
        STOP,
    )
    kept = [event for event in read(data) if not isinstance(event, UsageReported)]
    assert kept == [STARTED[0], TextDelta("Hi"), Finished("stop", "end_turn")]


def test_a_local_engine_sends_nulls_and_no_signature() -> None:
    usage = {"input_tokens": 3, "output_tokens": 0, "cache_read_input_tokens": None}
    start = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}}
    data = sse(
        start,
        block(0, type="thinking", thinking=""),
        delta(0, type="thinking_delta", thinking="Hm."),
        shut(0),
        because("end_turn", input_tokens=3, output_tokens=2),
        STOP,
    )
    assert ReasoningDelta("Hm.") in read(data)
    assert read(data)[-2:] == [
        UsageReported(Usage(input=3, output=2)),
        Finished("stop", "end_turn"),
    ]


def test_whatever_comes_shows_that_the_reply_is_alive() -> None:
    decoder = AnthropicFormat().decoder()
    assert decoder.feed(b": waiting\n\n") == [Alive()]
    assert decoder.feed(sse({"type": "ping"})) == [Alive()]
    assert decoder.feed(sse(block(0, type="server_tool_use", id="s", name="search"))) == [Alive()]
    assert decoder.feed(b"event: content_bl") == [Alive()]
    assert decoder.feed(b"") == []


@pytest.mark.parametrize("cut", [1, 2, 3, 20])
def test_the_last_blank_line_may_be_missing_but_not_the_last_event(cut: int) -> None:
    whole = sse(START, because("end_turn"), STOP)
    last = read(whole[:-cut])[-1]
    assert isinstance(last, Finished if cut <= 2 else Failed)
    if isinstance(last, Failed):
        assert isinstance(last.error, StreamBroken)


def test_nothing_comes_after_the_end() -> None:
    decoder = AnthropicFormat().decoder()
    decoder.feed(sse(START, STOP))
    assert decoder.feed(sse(START, STOP)) == []
    assert decoder.close() == []


@pytest.mark.parametrize(
    ("kind", "expected", "retryable"),
    [
        ("overloaded_error", Overloaded, True),
        ("api_error", ProviderServerError, True),
        ("authentication_error", ProviderAuthError, False),
        ("something_new", ProviderServerError, True),
    ],
)
def test_an_error_event_ends_the_stream(
    kind: str, expected: type[HeadstartError], retryable: bool
) -> None:
    event = {"type": "error", "error": {"type": kind, "message": "Sorry.", "details": None}}
    events = read(sse(START, event, STOP))
    assert events[:-1] == STARTED
    error = failure(events)
    assert type(error) is expected
    assert (error.message, error.retryable) == ("Sorry.", retryable)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"type":"message"}', b'{"content":5}', b'{"a":' * 50_000],
)
def test_a_body_that_is_no_message_is_a_bad_reply(body: bytes) -> None:
    assert isinstance(failure(AnthropicFormat().decode_body(body)), BadReply)


def test_an_error_in_a_200_body() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}'
    assert isinstance(failure(AnthropicFormat().decode_body(body)), Overloaded)


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (502, b"<html>Bad gateway</html>", ProviderServerError, "HTTP status 502"),
        (503, b"upstream connect error", Overloaded, "upstream connect error"),
        (500, b'{"error":"text"}', ProviderServerError, '{"error":"text"}'),
        (500, b"\xff\xfe", ProviderServerError, "\ufffd"),
        (429, recording("anthropic/constructed-error-429-spend-limit").body, QuotaExhausted, ""),
    ],
)
def test_error_bodies(
    status: int, body: bytes, expected: type[HeadstartError], message: str
) -> None:
    error = AnthropicFormat().decode_error(status, {}, body)
    assert type(error) is expected
    assert message in error.message
    assert error.upstream_status == status


_events = st.sampled_from(
    [
        *HALF_CALL,
        delta(0, type="input_json_delta", partial_json="1}"),
        shut(0),
        block(1, type="text", text="a"),
        delta(1, type="text_delta", text="ü"),
        because("tool_use"),
        because("max_tokens"),
        {"type": "ping"},
        STOP,
    ]
)


@given(
    events=st.lists(_events, max_size=12),
    noise=st.binary(max_size=8),
    at=st.integers(0, 400),
    step=st.integers(1, 50),
)
@example(events=[START], noise=b'data: {"x":' + b"[" * 100_000 + b"\n\n", at=400, step=10**6)
def test_any_stream_ends_in_exactly_one_way(
    events: list[Json], noise: bytes, at: int, step: int
) -> None:
    data = sse(*events)
    decoded = read(data[:at] + noise + data[at:], step=step)
    ends = [event for event in decoded if isinstance(event, Finished | Failed)]
    assert ends == decoded[-1:]
    opened = [event.index for event in decoded if isinstance(event, ToolCallStarted)]
    ended = [event.index for event in decoded if isinstance(event, ToolCallEnded)]
    assert opened == list(range(len(opened)))
    match decoded[-1]:
        case Finished(reason="tool_calls" | "stop"):
            assert sorted(ended) == opened
        case _:
            assert set(ended) <= set(opened)
    for index in ended:
        pieces = [e.text for e in decoded if isinstance(e, ToolArgsDelta) and e.index == index]
        assert isinstance(json.loads("".join(pieces)), dict)
