from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.chat import Json, Opaque
from models.errors import (
    BadReply,
    ContentBlocked,
    HeadstartError,
    Overloaded,
    ProviderAuthError,
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
from router.providers.gemini import GeminiFormat
from router.providers.gemini.chunks import ArrayReader
from tests.fakes.recordings import recording

STARTED = Started("r1", "gemini")
Framing: TypeAlias = Callable[..., bytes]


def chunk(*parts: Json, finish: str = "", **fields: Json) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini", **fields}


def sse(*chunks: Json) -> bytes:
    return "".join(f"data: {json.dumps(part)}\r\n\r\n" for part in chunks).encode()


def array(*chunks: Json) -> bytes:
    return ("[" + "\n,\n".join(json.dumps(part, indent=2) for part in chunks) + "\n]").encode()


def read(data: bytes, *, step: int = 1 << 30) -> list[StreamEvent]:
    decoder = GeminiFormat().decoder()
    events: list[StreamEvent] = []
    for start in range(0, len(data), step):
        events += decoder.feed(data[start : start + step])
    return [event for event in events + decoder.close() if not isinstance(event, Alive)]


def whole(reply: Json) -> list[StreamEvent]:
    return GeminiFormat().decode_body(json.dumps(reply).encode())


def failure(events: list[StreamEvent]) -> HeadstartError:
    assert isinstance(events[-1], Failed)
    return events[-1].error


def signature(kind: str, value: str) -> Opaque:
    return Opaque(vendor="gemini", kind=kind, value=value)


def call(name: str = "", *pieces: tuple[str, Json], more: bool = False) -> Json:
    """One part of a call whose arguments come in pieces."""
    kinds = {str: "stringValue", int: "numberValue", bool: "boolValue"}
    partial = [
        {"jsonPath": path} | ({kinds[type(value)]: value} if value is not None else {})
        for path, value in pieces
    ]
    return {"functionCall": {"name": name, "partialArgs": partial, "willContinue": more}}


@pytest.mark.parametrize("framed", [sse, array])
@pytest.mark.parametrize("step", [1, 7, 1 << 30])
def test_thoughts_text_and_calls_in_both_framings(framed: Framing, step: int) -> None:
    data = framed(
        chunk({"text": "Hm.", "thought": True}, usageMetadata={"promptTokenCount": 5}),
        chunk({"text": "Hi"}, {"text": ' "{[', "thoughtSignature": "s1"}),
        chunk(
            {"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": "s2"},
            {"functionCall": {"name": "rest", "id": "own"}},
            finish="STOP",
            usageMetadata={
                "promptTokenCount": 5,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 2,
                "cachedContentTokenCount": 4,
                "toolUsePromptTokenCount": 1,
            },
        ),
    )
    assert read(data, step=step) == [
        STARTED,
        ReasoningDelta("Hm."),
        UsageReported(Usage(input=5)),
        TextDelta("Hi"),
        TextDelta(' "{['),
        ReasoningDelta("", signature("text_signature", "s1")),
        ToolCallStarted(0, "call_r1_0", "look", (signature("thought_signature", "s2"),)),
        ToolArgsDelta(0, '{"a":1}'),
        ToolCallEnded(0),
        ToolCallStarted(1, "own", "rest"),
        ToolArgsDelta(1, "{}"),
        ToolCallEnded(1),
        UsageReported(Usage(input=6, output=5, cache_read=4, reasoning=2)),
        Finished("tool_calls", "STOP"),
    ]


def test_usage_is_cumulative_and_told_once() -> None:
    counted = {"promptTokenCount": 5, "candidatesTokenCount": 1}
    events = read(
        sse(
            chunk({"text": "a"}, usageMetadata=counted),
            chunk({"text": "b"}, usageMetadata=counted),
            chunk({"text": "c"}, usageMetadata={"trafficType": "ON_DEMAND"}),
            chunk(finish="STOP"),
        )
    )
    assert [e for e in events if isinstance(e, UsageReported)] == [
        UsageReported(Usage(input=5, output=1))
    ]


def test_what_comes_after_a_finish_reason_still_counts() -> None:
    late = chunk({"text": "b"}, finish="STOP", usageMetadata={"promptTokenCount": 1})
    assert read(sse(chunk({"text": "a"}, finish="STOP"), late)) == [
        STARTED,
        TextDelta("a"),
        TextDelta("b"),
        UsageReported(Usage(input=1)),
        Finished("stop", "STOP"),
    ]


CALLS_IN_PIECES: dict[str, list[tuple[str, Json]]] = {
    "gemini/stream-partial-args": [
        ("getWeather", {"location": "Boston"}),
        ("getWeather", {"location": "San Francisco"}),
    ],
    "gemini/stream-noargs-tool": [
        ("read_theme", {}),
        *(("read_screen", {"id": letter}) for letter in "ABC"),
    ],
}


@pytest.mark.parametrize(("name", "calls"), CALLS_IN_PIECES.items())
def test_recorded_calls_in_pieces(name: str, calls: list[tuple[str, Json]]) -> None:
    events = read(recording(name).body)
    names = [event.name for event in events if isinstance(event, ToolCallStarted)]
    arguments = [json.loads(event.text) for event in events if isinstance(event, ToolArgsDelta)]
    ended = [event.index for event in events if isinstance(event, ToolCallEnded)]
    assert list(zip(names, arguments, strict=True)) == calls
    assert ended == list(range(len(calls)))


def test_pieces_of_arguments_of_every_kind() -> None:
    parts = (
        call("draw", ("$.title", "Two "), ("$.size", 3), more=True),
        call("", ("$.title", "words"), ("$.dots[1].x", 5), ("$.dots[0]", None), more=True),
        call("", ("$['a key'][\"b\"]", True)),
    )
    events = read(sse(*(chunk(part) for part in parts), chunk(finish="STOP")))
    assert [json.loads(e.text) for e in events if isinstance(e, ToolArgsDelta)] == [
        {
            "title": "Two words",
            "size": 3,
            "dots": [None, {"x": 5}],
            "a key": {"b": True},
        }
    ]


@pytest.mark.parametrize(
    "path", ["", "$", "x.y", "$.a.b", "$.list.key", "$.list[999999999]", "$..", "$.a[x]"]
)
def test_a_path_that_leads_nowhere_is_a_bad_reply(path: str) -> None:
    first = call("f", ("$.a", "text"), ("$.list[0]", 1), more=True)
    data = sse(chunk(first), chunk(call("", (path, 1))), chunk(finish="STOP"))
    assert isinstance(failure(read(data)), BadReply)


def test_a_call_that_was_cut_off_is_never_ended() -> None:
    half = chunk(call("look", ("$.a", "b"), more=True))
    events = read(sse(half, chunk(finish="MAX_TOKENS")))
    assert not any(isinstance(event, ToolCallEnded) for event in events)
    assert events[-1] == Finished("length", "MAX_TOKENS")
    assert isinstance(failure(read(sse(half, chunk(finish="STOP")))), BadReply)
    assert isinstance(failure(read(sse(half, chunk(call("other"))))), BadReply)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("A_FUTURE_REASON", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
    ],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    reply = {"candidates": [{"finishReason": raw}]}
    last = whole(reply)[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.raw) == (reason, raw)


@pytest.mark.parametrize(
    ("raw", "retryable"),
    [("MALFORMED_FUNCTION_CALL", True), ("OTHER", True), ("UNEXPECTED_TOOL_CALL", False)],
)
def test_a_slip_of_the_model_is_a_bad_reply(raw: str, retryable: bool) -> None:
    error = failure(read(sse(chunk({"text": "a"}), chunk(finish=raw))))
    assert isinstance(error, BadReply)
    assert error.upstream_code == raw
    assert error.retryable is retryable


@pytest.mark.parametrize("framed", [sse, array])
def test_a_blocked_prompt(framed: Framing) -> None:
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "No."}
    events = read(framed({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 4}}))
    assert UsageReported(Usage(input=4)) in events
    error = failure(events)
    assert isinstance(error, ContentBlocked)
    assert (error.message, error.upstream_code, error.retryable) == ("No.", "SAFETY", False)
    assert isinstance(failure(whole({"promptFeedback": feedback})), ContentBlocked)


def test_log_probabilities_stand_with_their_text() -> None:
    result = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.1}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -2.5}]}],
    }
    reply = chunk({"text": "Hi"}, finish="STOP")
    reply["candidates"][0]["logprobsResult"] = result
    expected = TextDelta("Hi", (TokenLogprob("Hi", -0.1, (("Ho", -2.5),)),))
    assert whole(reply)[1] == expected


def test_invented_call_ids_differ_between_replies_and_repeat_within_one() -> None:
    def id_of(city: str) -> str:
        reply = chunk({"functionCall": {"name": "f", "args": {"city": city}}}, finish="STOP")
        del reply["responseId"]
        started = whole(reply)[1]
        assert isinstance(started, ToolCallStarted)
        return started.id

    assert id_of("Rome") == id_of("Rome") != id_of("Oslo")


@pytest.mark.parametrize("framed", [sse, array])
def test_an_error_in_mid_stream(framed: Framing) -> None:
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}}
    events = read(framed(chunk({"text": "a"}), error, chunk(finish="STOP")))
    assert events[:2] == [STARTED, TextDelta("a")]
    assert isinstance(failure(events), Overloaded)


def test_other_candidates_do_not_mix_into_the_answer() -> None:
    other: Json = {"index": 1, "content": {"role": "model", "parts": [{"text": "other"}]}}
    both = chunk({"text": "Hi"}, finish="STOP")
    both["candidates"].insert(0, other)
    events = read(sse(both, {"candidates": [other | {"finishReason": "STOP"}]}))
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["Hi"]


@pytest.mark.parametrize("framed", [sse, array])
def test_a_stream_without_a_finish_reason_is_broken(framed: Framing) -> None:
    data = framed(chunk({"text": "a"}), chunk({"text": "b"}, finish="STOP"))
    assert isinstance(failure(read(data[:-30])), StreamBroken)
    assert isinstance(failure(read(b"")), StreamBroken)


def test_whatever_comes_shows_that_the_reply_is_alive_but_nothing_follows_the_end() -> None:
    decoder = GeminiFormat().decoder()
    assert decoder.feed(b"\r\n") == [Alive()]
    assert decoder.feed(b": waiting\n\n") == [Alive()]
    assert decoder.feed(b"") == []
    decoder.feed(sse({"error": {"code": 500}}))
    assert decoder.feed(sse(chunk(finish="STOP"))) == []
    assert decoder.close() == []


def test_an_array_may_come_whole_too() -> None:
    body = array(chunk({"text": "a"}), chunk({"text": "b"}, finish="STOP"))
    assert GeminiFormat().decode_body(body) == read(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"5", b"{}", b'{"candidates": 5}', b'{"a":' * 50_000]
)
def test_a_body_without_an_answer_is_a_bad_reply(body: bytes) -> None:
    assert isinstance(failure(GeminiFormat().decode_body(body)), BadReply)


@pytest.mark.parametrize(
    ("name", "expected", "retry_after"),
    [
        ("gemini/error-429-retryinfo", RateLimited, 48.0),
        ("gemini/error-429-retryinfo-freetier", RateLimited, 34.4),
        ("gemini/constructed-error-429-daily", QuotaExhausted, None),
        ("gemini/error-400-badkey", ProviderAuthError, None),
    ],
)
@pytest.mark.parametrize("in_array", [False, True])
def test_recorded_errors_plain_and_in_an_array(
    name: str, expected: type[HeadstartError], retry_after: float | None, in_array: bool
) -> None:
    wanted = recording(name)
    body = b"[" + wanted.body + b"\n]" if in_array else wanted.body
    error = GeminiFormat().decode_error(wanted.status, {}, body)
    assert type(error) is expected
    assert error.retry_after == retry_after


@pytest.mark.parametrize("body", [b"<html>", b"[", b"[]", b'{"error": "text"}', b"\xff"])
def test_error_bodies_of_proxies(body: bytes) -> None:
    error = GeminiFormat().decode_error(502, {}, body)
    assert type(error) is ProviderServerError
    assert error.message


_PARTS: list[Json] = [
    {"text": 'ü"\\{'},
    {"text": "t", "thought": True},
    {"functionCall": {"name": "f", "args": {"a": "}"}}},
    call("g", ("$.a", "b"), more=True),
    call("", ("$.a", "c")),
    {"executableCode": {"code": "{"}},
]


@st.composite
def _streams(draw: st.DrawFn) -> list[Json]:
    """Chunks in any order, ending well or not."""
    reasons = st.sampled_from(["", "", "STOP", "MAX_TOKENS", "OTHER"])
    parts = st.lists(st.sampled_from(_PARTS), max_size=3)
    return [chunk(*draw(parts), finish=draw(reasons)) for _ in range(draw(st.integers(0, 6)))]


@given(chunks=_streams(), step=st.integers(1, 60))
def test_both_framings_say_the_same_however_they_are_cut(chunks: list[Json], step: int) -> None:
    one, other = read(sse(*chunks), step=step), read(array(*chunks), step=step)
    assert one[:-1] == other[:-1]
    assert type(one[-1]) is type(other[-1])


@given(
    chunks=_streams(),
    in_array=st.booleans(),
    noise=st.binary(max_size=8),
    at=st.integers(0, 1500),
    step=st.integers(1, 99),
)
@example(chunks=[], in_array=True, noise=b'[{"x":' + b"[" * 100_000 + b"{}}", at=0, step=10**6)
def test_any_stream_ends_in_exactly_one_way(
    chunks: list[Json], in_array: bool, noise: bytes, at: int, step: int
) -> None:
    data = array(*chunks) if in_array else sse(*chunks)
    decoded = read(data[:at] + noise + data[at:], step=step)
    ends = [event for event in decoded if isinstance(event, Finished | Failed)]
    assert ends == decoded[-1:]
    opened = [event.index for event in decoded if isinstance(event, ToolCallStarted)]
    ended = [event.index for event in decoded if isinstance(event, ToolCallEnded)]
    assert opened == list(range(len(opened)))
    assert set(ended) <= set(opened)


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)),
    step=st.integers(1, 40),
    ascii_only=st.booleans(),
)
def test_the_array_is_cut_into_its_objects(
    objects: list[dict[str, str]], step: int, ascii_only: bool
) -> None:
    data = json.dumps(objects, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    reader = ArrayReader()
    found: list[bytes] = []
    for start in range(0, len(data), step):
        found += reader.feed(data[start : start + step])
    assert [json.loads(piece.decode("utf-8", "surrogatepass")) for piece in found] == objects
