"""SseReader: the WHATWG's cases, whatever the cuts, and its limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import BadReply
from router.providers.sse import ServerSentEvent, SseReader


def read(*pieces: bytes) -> list[tuple[str, bytes]]:
    reader = SseReader()
    return [(e.event, e.data) for piece in pieces for e in reader.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", b"a")]),
        (b"data:a\n\n", [("message", b"a")]),
        (b"data:  a \n\n", [("message", b" a ")]),
        (b"data: a\r\n\r\n", [("message", b"a")]),
        (b"data: a\r\r", [("message", b"a")]),
        (b"data: a\ndata: b\n\n", [("message", b"a\nb")]),
        (b"data: a\ndata:\ndata: b\n\n", [("message", b"a\n\nb")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), ("message", b"b")]),
        (b"data: a\nevent: x\n\n", [("x", b"a")]),
        (b"event:\ndata: a\n\n", [("message", b"a")]),
        (b"event: x\n\ndata: a\n\n", [("message", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")]),
        (b"data: \xef\xbb\xbfa\n\n", [("message", b"\xef\xbb\xbfa")]),
        (b"id: 7\nretry: 10\nother: z\nfoo\ndata: a\n\n", [("message", b"a")]),
        (b": note\ndata: a\n\n", [("message", b"a")]),
        (b"data\n\n", [("message", b"")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("message", b"a"), ("message", b"b")]),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_streams_mean_what_the_specification_says(
    stream: bytes, events: list[tuple[str, bytes]]
) -> None:
    assert read(stream) == events
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == events


def reference(stream: bytes) -> tuple[list[tuple[str, bytes]], int]:
    """The specification's algorithm, line by line over the whole stream."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[tuple[str, bytes]] = []
    name, data, comments = b"", list[bytes](), 0
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                events.append((name.decode("utf-8", "replace") or "message", b"\n".join(data)))
            name, data = b"", []
        elif not field:
            comments += 1
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events, comments


PIECES = st.sampled_from(
    [
        *(b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\xef\xbb\xbf", b"\xc3"),
        *(b"data: a", b"data:b", b"data", b"event: x", b"event:", b":c", b": d", b"id: 1"),
        *(b'data: {"a":1}\n\n', b"event: e\ndata: q\n\n"),
    ]
)


@given(
    st.lists(PIECES, max_size=14).map(b"".join),
    st.lists(st.integers(min_value=0, max_value=60), max_size=5),
)
@example(b"data: a\r\n\r\n", [8])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
def test_no_cut_changes_what_is_read(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(places))) == reference(stream)[0]


@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_every_comment_is_counted_by_the_end(stream: bytes) -> None:
    reader = SseReader()
    reader.feed(stream + b"\n\n")
    assert reader.comments == reference(stream + b"\n\n")[1]


def test_a_comment_is_counted_before_the_next_event_comes() -> None:
    reader = SseReader()
    assert reader.feed(b": keep-alive\n") == []
    assert reader.comments == 1
    assert reader.feed(b"\n: keep-") == []
    assert reader.comments == 1
    assert reader.feed(b"alive\n\ndata: a\n\n") == [ServerSentEvent("message", b"a")]
    assert reader.comments == 2


def test_the_end_gives_out_an_event_without_its_blank_line() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\n\ndata: [DONE]") == [ServerSentEvent("message", b"a")]
    assert reader.close() == [ServerSentEvent("message", b"[DONE]")]
    assert reader.close() == []


def test_an_event_that_never_ends_is_refused() -> None:
    reader = SseReader(max_event=1000)
    reader.feed(b"data: small\n\ndata: ")
    with pytest.raises(BadReply, match="larger than 1000 bytes"):
        reader.feed(b"x" * 1000)


def test_many_events_in_one_read_are_no_large_event() -> None:
    reader = SseReader(max_event=1000)
    assert len(reader.feed(b"data: x\n\n" * 1000)) == 1000
