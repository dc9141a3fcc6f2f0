"""Errors of OpenAI-like hosts: in a stream, in a whole body, and as a body of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.errors import (
    BadReply,
    ContentBlocked,
    HeadstartError,
    Overloaded,
    ProviderBadRequest,
    ProviderServerError,
    RateLimited,
)
from models.stream import Finished, ReasoningDelta, TextDelta
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


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (data({"error": {"message": "x", "code": 502}}), ProviderServerError),
        (data({"error": {"message": "x", "code": "429"}}), RateLimited),
        (data({"error": {"message": "x", "status_code": 400}}), ProviderBadRequest),
        (data({"error": "The server is overloaded"}), Overloaded),
        (data({"error": {"message": "x"}}, "error"), ProviderServerError),
        (data({"message": "x", "type": "rate_limit_error"}, "error"), RateLimited),
        (b"event: error\ndata: Rate limit reached\n\n", RateLimited),
        (data({"object": "error", "message": "x", "code": 400}), ProviderBadRequest),
        (data({"error": {"code": "content_filter", "message": "x"}}), ContentBlocked),
    ],
)
@pytest.mark.parametrize("before", [b"", chunk({"content": "Hi"})])
def test_an_error_in_the_stream(
    piece: bytes, expected: type[HeadstartError], before: bytes
) -> None:
    assert type(failure(read(before + piece + DONE))) is expected


def test_the_usage_beside_an_error_is_not_lost() -> None:
    events = read(chunk({"content": "Hi"}), chunk(error={"code": 502}, usage=USAGE), DONE)
    assert events[-2] == REPORTED
    assert isinstance(failure(events), ProviderServerError)


def test_an_error_after_the_finish_reason_comes_too_late() -> None:
    events = read(
        chunk({"content": "Hi"}, finish="length"),
        chunk(error={"code": 400, "message": "Token limit reached"}, usage=USAGE),
        DONE,
    )
    assert events[-2:] == [REPORTED, Finished("length", "length")]


@pytest.mark.parametrize("garbage", [b"data: {broken\n\n", b"data: [1,2]\n\n", b"data: 7\n\n"])
def test_garbage_is_a_bad_reply(garbage: bytes) -> None:
    assert isinstance(failure(read(chunk({"content": "Hi"}), garbage)), BadReply)


def test_an_endless_event_is_a_bad_reply() -> None:
    assert isinstance(failure(read(b"data: " + b"x" * (33 * 1024 * 1024))), BadReply)


def test_a_reply() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"}
    body = {
        "id": "c1",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    assert FORMAT.decode_body(b"\n\n  " + json.dumps(body).encode()) == [
        STARTED,
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        REPORTED,
        Finished("stop", "stop"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "x", "code": 502}}, ProviderServerError),
        ({"error": "Rate limit reached"}, RateLimited),
        (
            {"object": "error", "message": "x", "type": "invalid_request_error"},
            ProviderBadRequest,
        ),
        ({"choices": []}, BadReply),
        ({"choices": None, "usage": USAGE}, BadReply),
        ({}, BadReply),
        ([], BadReply),
    ],
)
def test_bodies_that_are_no_reply(body: Any, expected: type[HeadstartError]) -> None:
    assert type(failure(FORMAT.decode_body(json.dumps(body).encode()))) is expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"No."}}', "No."),
        (b'{"error":"No."}', "No."),
        (b'{"message":"No."}', "No."),
        (b'{"status":"failure","message":"No."}', "No."),
        (b'{"detail":"No."}', "No."),
        (b'{"detail":[{"msg":"No."}]}', '[{"msg":"No."}]'),
        (b'[{"error":{"message":"No."}}]', "No."),
        (b'{"error":{"message":"Bad","metadata":{"raw":"No."}}}', "Bad: No."),
        (b"upstream connect error", "upstream connect error"),
        (b"\xff", "\ufffd"),
    ],
)
def test_where_the_sentence_stands(body: bytes, message: str) -> None:
    assert FORMAT.decode_error(500, {}, body).message == message


@pytest.mark.parametrize("body", [b"", b"<html>502 Bad Gateway</html>", b"null", b"[]", b"7"])
def test_a_body_that_says_nothing(body: bytes) -> None:
    error = FORMAT.decode_error(502, {}, body)
    assert type(error) is ProviderServerError
    assert error.message == "The provider answered with HTTP status 502 and no message."
