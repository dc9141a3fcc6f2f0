"""Every recorded reply means what its index says, however its bytes arrive, and wherever they end.

Not decoded by this layer, and so not here: `batch` and `admin` recordings (batch objects and their
result lines, cached contents, token counts).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest

from models.errors import ContentBlocked, HeadstartError, ProviderError
from models.stream import Alive, Failed, StreamEvent, ToolCallStarted, Usage
from tests.conformance.reading import FORMATS, Reading, decode, feed, is_stream, read
from tests.fakes.recordings import Recording, recordings

ALL = [
    pytest.param(recording, id=recording.id)
    for recording in recordings().values()
    if recording.kind not in ("batch", "admin")
]
STREAMS = [param for param in ALL if is_stream(cast("Recording", param.values[0]))]
BODIES = [param for param in ALL if param not in STREAMS]

SMALL = 8 * 1024

# Where the index gives a field as it stands, and a reader must know better:
TOKENS = {
    # xAI's completion_tokens leave the thinking out; its total shows that both are billed.
    "xai/chat-stream": {"output_total": 291},
    "xai/chat-stream-tools": {"output_total": 222},
    # Anthropic's top-level counters tell of the last pass only; all passes are billed.
    "anthropic/stream-compaction-cache-usage": {
        "input_total": 55377,
        "output_total": 91,
        "cache_read": 55096,
    },
}
# Gemini's calls that come in parts: the index lists each part as a call without a name.
CALLS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "gemini/stream-noargs-tool": [
        ("read_theme", {}),
        ("read_screen", {"id": "A"}),
        ("read_screen", {"id": "B"}),
        ("read_screen", {"id": "C"}),
    ],
    "gemini/stream-partial-args": [
        ("getWeather", {"location": "Boston"}),
        ("getWeather", {"location": "San Francisco"}),
    ],
}
# The local engine's index has only what matters of its plain replies.
UNSAID: dict[str, Any] = {
    "text": "",
    "reasoning": "",
    "refusal": None,
    "reasoning_signature": False,
    "tool_calls": [],
    "usage": None,
    "finish_openai": None,
    "error": None,
}
# Groq leaves Qwen3's thinking in the text, between tags that no client may see.
TAGGED = ("groq/json-qwen3",)
# The reply's id or model changes in mid-stream; the index has the last, we keep the first.
RENAMED = ("groq/stream-compound", "openrouter/derived-midstream-error")


def test_the_index_is_covered() -> None:
    assert len(ALL) > 240
    assert {cast("Recording", param.values[0]).dialect for param in ALL} == set(FORMATS)


@pytest.mark.parametrize("recording", ALL)
def test_the_whole_reply_means_what_the_index_says(recording: Recording) -> None:
    reading = read(decode(recording))
    if recording.expected is not None:
        expected = UNSAID | recording.expected
        _compare_content(reading, expected, recording)
        _compare_calls(reading, expected["tool_calls"], recording.id)
        _compare_usage(reading.usage, expected["usage"], recording.id)
        _compare_finish(reading, expected)
    if recording.retry is not None and reading.error is not None:
        _compare_retry(reading.error, recording.retry)


def _compare_content(reading: Reading, expected: dict[str, Any], recording: Recording) -> None:
    text, reasoning = expected["text"], expected["reasoning"]
    if recording.id in TAGGED:
        reasoning, _, text = text.removeprefix("<think>\n").partition("</think>\n\n")
    assert reading.text == text
    assert reading.reasoning == reasoning
    if isinstance(reading.error, ContentBlocked):  # the prompt was refused, before any model spoke
        assert (expected["refusal"] or "") in reading.error.message
    else:
        assert reading.refusal == (expected["refusal"] or "")
    if reading.model and "id" in expected and recording.id not in RENAMED:
        assert (reading.id, reading.model) == (expected["id"] or "", expected["model"])
    if expected["reasoning_signature"]:
        assert reading.opaque
    elif recording.dialect != "openai":  # the index does not look into OpenRouter's objects
        assert {opaque.kind for opaque in reading.opaque} <= {"redacted_thinking"}


def _compare_calls(reading: Reading, expected: list[dict[str, Any]], name: str) -> None:
    if name in CALLS:
        said = [(call.name, json.loads(call.arguments)) for call in reading.calls]
        assert said == CALLS[name]
        return
    for call, wanted in zip(reading.calls, expected, strict=True):
        assert call.name == wanted["name"]
        assert call.id
        assert wanted["id"] in (None, call.id)
        if call.whole:
            assert json.loads(call.arguments) == wanted["arguments"]
        else:
            assert wanted["arguments"].keys() <= {"_raw"}


def _compare_usage(usage: Usage | None, expected: dict[str, int | None] | None, name: str) -> None:
    if expected is None:
        assert usage is None
        return
    assert usage is not None
    counted = {
        "input_total": usage.input,
        "output_total": usage.output,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "reasoning": usage.reasoning,
    }
    wanted = {field: count or 0 for field, count in expected.items()}
    assert counted.items() >= (wanted | TOKENS.get(name, {})).items()


def _compare_finish(reading: Reading, expected: dict[str, Any]) -> None:
    wanted = expected["finish_openai"]
    if isinstance(reading.error, ContentBlocked) and wanted is not None:
        assert wanted == "content_filter"
    elif expected["error"] is not None and wanted != "length":
        assert isinstance(reading.error, ProviderError)
        message = expected["error"]["message"]
        assert not isinstance(message, str) or reading.error.message.startswith(message[:900])
    elif wanted == "error":
        assert reading.error is not None or reading.finish == "error"
    elif wanted is not None:
        assert reading.finish == wanted
    else:
        assert reading.error is None


def _compare_retry(error: HeadstartError, retry: dict[str, Any]) -> None:
    assert isinstance(error, ProviderError)
    assert error.retryable == retry["retryable"]
    if "after_s" in retry:
        assert error.retry_after == retry["after_s"]


@pytest.mark.parametrize("recording", STREAMS)
def test_two_reads_cut_anywhere_give_the_same(recording: Recording) -> None:
    """Small streams are cut at every byte, large ones at random places."""
    wire, body = FORMATS[recording.dialect], recording.body
    whole = _said(feed(wire, body))
    places = range(1, len(body)) if len(body) < SMALL else _random_places(recording, 100)
    for place in places:
        assert _said(feed(wire, body[:place], body[place:])) == whole, f"cut at byte {place}"


@pytest.mark.parametrize("recording", STREAMS)
@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_reads_that_end_near_every_event_boundary_give_the_same(
    recording: Recording, shift: int
) -> None:
    wire, body = FORMATS[recording.dialect], recording.body
    places = [place + shift for place in _boundaries(body) if 0 < place + shift < len(body)]
    pieces = [body[a:b] for a, b in pairwise([0, *places, len(body)])]
    assert _said(feed(wire, *pieces)) == _said(feed(wire, body))


@pytest.mark.parametrize("recording", STREAMS)
def test_one_byte_at_a_time_gives_the_same(recording: Recording) -> None:
    wire, body = FORMATS[recording.dialect], recording.body
    pieces = [body[i : i + 1] for i in range(len(body))]
    assert _said(feed(wire, *pieces)) == _said(feed(wire, body))


@pytest.mark.parametrize("recording", STREAMS)
def test_a_stream_that_ends_anywhere_says_nothing_wrong(recording: Recording) -> None:
    """It ends in one last event, keeps what came, and ends no call that is not whole."""
    wire, body = FORMATS[recording.dialect], recording.body
    whole = read(feed(wire, body))
    places = {0, *_boundaries(body), *_random_places(recording, 60)}
    for place in sorted(places):
        cut = read(feed(wire, body[:place]))
        assert whole.text.startswith(cut.text)
        assert whole.reasoning.startswith(cut.reasoning)
        for call, complete in zip(cut.calls, whole.calls, strict=False):
            assert (call.name, call.whole and call.arguments) in (
                (complete.name, False),
                (complete.name, complete.arguments),
            )
        assert cut.error is not None or cut.finish == whole.finish, f"finished at byte {place}"


@pytest.mark.parametrize("recording", BODIES)
def test_a_body_that_ends_anywhere_is_a_failure(recording: Recording) -> None:
    for place in (0, 1, *_random_places(recording, 20)):
        events = decode(recording, recording.body[:place].rstrip())
        if len(recording.body[:place].rstrip()) < len(recording.body.rstrip()):
            assert isinstance(read(events).error, ProviderError)


@pytest.mark.parametrize("dialect", FORMATS)
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"123",
        b'"text"',
        b"<html>Bad gateway</html>",
        b"\xff\xfe\x00",
        b'{"choices":7,"content":7,"candidates":7,"output":7}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_a_failure_and_never_an_exception(dialect: str, garbage: bytes) -> None:
    wire = FORMATS[dialect]
    framed = b"data: " + garbage + b"\n\n"
    for events in (
        wire.decode_body(garbage),
        feed(wire, garbage),
        feed(wire, framed),
        feed(wire, framed, b"data: [DONE]\n\n"),
        [Failed(wire.decode_error(500, {}, garbage))],
    ):
        assert isinstance(read(events).error, ProviderError)


def _said(events: list[StreamEvent]) -> list[object]:
    """Events to compare: without signs of life, ids that we made up, and identities of errors."""
    said: list[object] = []
    for event in events:
        if isinstance(event, Failed):
            said.append((type(event.error), event.error.message))
        elif isinstance(event, ToolCallStarted):
            said.append((event.index, event.name, event.opaque))
        elif not isinstance(event, Alive):
            said.append(event)
    return said


def _boundaries(body: bytes) -> Iterator[int]:
    return (match.end() for match in re.finditer(rb"\r\n\r\n|\n\n|\n,\r?\n", body))


def _random_places(recording: Recording, count: int) -> list[int]:
    return random.Random(recording.id).choices(range(1, max(2, len(recording.body))), k=count)
