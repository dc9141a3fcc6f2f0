"""The Responses dialect as an upstream: what its events and bodies mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.chat import Json, Opaque
from models.errors import (
    BadReply,
    HeadstartError,
    ProviderServerError,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from models.stream import (
    Alive,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.providers.responses import ResponsesFormat

FORMAT = ResponsesFormat()


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def read(*pieces: bytes) -> list[StreamEvent]:
    decoder = FORMAT.decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [event for event in events + decoder.close() if event != Alive()]


def failure(events: list[StreamEvent]) -> HeadstartError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


def end(status: str = "completed", **fields: Any) -> bytes:
    return event(
        f"response.{status}", response={"id": "r", "model": "m", "status": status, **fields}
    )


def text(delta: str, **fields: Any) -> bytes:
    return event("response.output_text.delta", item_id="i", delta=delta, **fields)


CREATED = event("response.created", response={"id": "r", "model": "m", "status": "in_progress"})
USAGE = {
    "input_tokens": 9,
    "output_tokens": 5,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}
REPORTED = UsageReported(Usage(input=9, output=5, cache_read=4, cache_write=2, reasoning=3))


def test_a_stream_of_text() -> None:
    logprob = {"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}
    events = read(
        CREATED,
        text("Hi", logprobs=[logprob]),
        event("response.something.new", item={"type": "?"}, delta={"x": 1}),
        end(usage=USAGE),
    )
    assert events == [
        Started("r", "m"),
        TextDelta("Hi", (TokenLogprob("Hi", -0.5, (("Ho", -1.5),)),)),
        REPORTED,
        Finished("stop", "completed"),
    ]


def test_text_that_no_delta_brought_is_still_given() -> None:
    done = event("response.output_text.done", item_id="i", text="Hi there")
    events = read(CREATED, text("Hi"), done, text("."), done, end())
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Hi", " there", "."]


def test_thinking_refusals_and_sealed_items() -> None:
    item: dict[str, Json] = {
        "type": "reasoning",
        "id": "rs",
        "encrypted_content": "sealed",
        "summary": [],
    }
    opening: dict[str, Json] = {**item, "encrypted_content": "not yet final"}
    events = read(
        CREATED,
        event("response.output_item.added", item=opening),
        event("response.reasoning_summary_part.added", summary_index=0),
        event("response.reasoning_summary_text.delta", delta="One"),
        event("response.reasoning_summary_part.added", summary_index=1),
        event("response.reasoning_summary_text.delta", delta="Two"),
        event("response.reasoning_text.delta", delta="Three"),
        event("response.output_item.done", item=item),
        event("response.refusal.delta", delta="No."),
        end(),
    )
    assert events[1:-1] == [
        ReasoningDelta("One"),
        ReasoningDelta("\n\n"),
        ReasoningDelta("Two"),
        ReasoningDelta("Three"),
        ReasoningDelta(opaque=Opaque(vendor="responses", kind="reasoning", value=item)),
        RefusalDelta("No."),
    ]


CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": ""}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                event("response.function_call_arguments.delta", item_id="fc", delta='{"x"'),
                event("response.function_call_arguments.delta", item_id="fc", delta=":1}"),
                event("response.function_call_arguments.done", item_id="fc", arguments='{"x":1}'),
            ],
            id="deltas",
        ),
        pytest.param(
            [event("response.function_call_arguments.done", item_id="fc", arguments='{"x":1}')],
            id="only the whole",
        ),
        pytest.param([], id="only the item"),
    ],
)
def test_a_call(pieces: list[bytes]) -> None:
    done = event("response.output_item.done", item=CALL | {"arguments": '{"x":1}'})
    events = read(CREATED, event("response.output_item.added", item=CALL), *pieces, done, end())
    assert events[1] == ToolCallStarted(0, "c1", "f")
    assert "".join(e.text for e in events if isinstance(e, ToolArgsDelta)) == '{"x":1}'
    assert events[-2:] == [ToolCallEnded(0), Finished("tool_calls", "completed")]


@pytest.mark.parametrize(
    ("details", "finish"),
    [
        ({"reason": "max_output_tokens"}, Finished("length", "max_output_tokens")),
        ({"reason": "content_filter"}, Finished("content_filter", "content_filter")),
        (None, Finished("length", "incomplete")),
    ],
)
def test_an_incomplete_response_ends_no_half_call(details: Json, finish: Finished) -> None:
    half = event("response.function_call_arguments.delta", item_id="fc", delta='{"x":')
    events = read(
        CREATED,
        event("response.output_item.added", item=CALL),
        half,
        end("incomplete", incomplete_details=details, usage=USAGE),
    )
    assert events[-2:] == [REPORTED, finish]
    assert ToolCallEnded(0) not in events


def test_a_complete_response_with_half_a_call_is_a_bad_reply() -> None:
    half = event("response.function_call_arguments.delta", item_id="fc", delta='{"x":')
    events = read(CREATED, event("response.output_item.added", item=CALL), half, end())
    assert isinstance(failure(events), BadReply)


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (event("error", code="rate_limit_exceeded", message="x"), RateLimited),
        (event("error", error={"code": "insufficient_quota", "message": "x"}), QuotaExhausted),
        (event("error", message="x"), ProviderServerError),
        (end("failed", error={"code": "server_error", "message": "x"}), ProviderServerError),
        (end("failed", error={"code": "rate_limit_exceeded", "message": "x"}), RateLimited),
        (end("failed"), ProviderServerError),
        (b'data: {"error":{"message":"x","code":"rate_limit_exceeded"}}\n\n', RateLimited),
        (b"data: {broken\n\n", BadReply),
        (b"", StreamBroken),
        (b"data: [DONE]\n\n", StreamBroken),
        (b'data: {"type":"response.completed"', StreamBroken),
    ],
)
def test_failures(piece: bytes, expected: type[HeadstartError]) -> None:
    assert type(failure(read(CREATED + text("Hi"), piece))) is expected


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert read(CREATED, end().rstrip())[-1] == Finished("stop", "completed")


def test_signs_of_life() -> None:
    decoder = FORMAT.decoder()
    assert decoder.feed(b": ping\n\n") == [Alive()]
    assert decoder.feed(event("response.queued")) == [Alive()]
    assert decoder.feed(b"data: ") == []


def test_a_whole_body() -> None:
    body = {
        "id": "r",
        "model": "m",
        "status": "completed",
        "output": [
            {"type": "reasoning", "summary": [{"text": "One"}, {"text": "Two"}]},
            {"type": "web_search_call", "id": "ws"},
            {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
            {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]},
            CALL | {"arguments": "{}"},
        ],
        "usage": USAGE,
    }
    assert FORMAT.decode_body(json.dumps(body).encode()) == [
        Started("r", "m"),
        ReasoningDelta("One\n\nTwo"),
        TextDelta("Hi"),
        RefusalDelta("No."),
        ToolCallStarted(0, "c1", "f"),
        ToolArgsDelta(0, "{}"),
        REPORTED,
        ToolCallEnded(0),
        Finished("tool_calls", "completed"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"x","code":"rate_limit_exceeded"}}', RateLimited),
        (b'{"status":"failed","output":[],"error":{"code":"server_error"}}', ProviderServerError),
        (b'{"output":[7]}', BadReply),
        (b'{"status":"completed"}', BadReply),
        (b"{}", BadReply),
    ],
)
def test_bodies_that_are_no_response(body: bytes, expected: type[HeadstartError]) -> None:
    assert type(failure(FORMAT.decode_body(body))) is expected
