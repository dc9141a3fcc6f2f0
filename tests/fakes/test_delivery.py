import re

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.delivery import Break, Delivery, Reply, split_events, steps
from tests.fakes.wire import Drop, Hold, Pause, Send, Step

STREAM = b"event: a\ndata: 1\n\ndata: 2\r\n\r\n: note\n\ndata: [DONE]\n\n"
HEADERS = (("content-type", "text/event-stream"),)


def reply(body: bytes, *, streamed: bool = True) -> Reply:
    return Reply(status=200, headers=HEADERS, events=split_events(body), streamed=streamed)


def sent(found: list[Step]) -> bytes:
    return b"".join(step.data for step in found if isinstance(step, Send))


def body_of(raw: bytes) -> bytes:
    """The body of a raw chunked reply, as far as it came."""
    rest, body = raw.partition(b"\r\n\r\n")[2], b""
    while match := re.match(rb"([0-9a-f]+)\r\n", rest):
        size = int(match[1], 16)
        body += rest[match.end() : match.end() + size]
        rest = rest[match.end() + size + 2 :]
    assert rest == b""
    return body


def test_events_are_cut_where_each_ends() -> None:
    assert split_events(STREAM) == (
        b"event: a\ndata: 1\n\n",
        b"data: 2\r\n\r\n",
        b": note\n\n",
        b"data: [DONE]\n\n",
    )
    assert split_events(b'[{"a":\n1}\n,\r\n{"b": 2}\n]') == (b'[{"a":\n1}\n,\r\n', b'{"b": 2}\n]')
    assert split_events(b"") == ()


@given(
    body=st.text("ab\n\r,é", max_size=80).map(str.encode),
    cut=st.one_of(st.sampled_from(["whole", "events"]), st.integers(1, 20)),
    per_write=st.integers(1, 5),
)
def test_the_body_is_the_same_however_it_is_cut(body: bytes, cut: object, per_write: int) -> None:
    delivery = Delivery(cut=cut, per_write=per_write)  # pyright: ignore[reportArgumentType]
    raw = sent(list(steps(reply(body), delivery)))
    assert raw.endswith(b"0\r\n\r\n")
    assert body_of(raw) == body


@given(at=st.integers(0, len(STREAM)), cut=st.sampled_from(["whole", "events"]))
def test_a_broken_reply_holds_exactly_the_bytes_before_the_break(at: int, cut: object) -> None:
    delivery = Delivery(cut=cut)  # pyright: ignore[reportArgumentType]
    found = list(steps(reply(STREAM), delivery, Break("reset", at)))
    assert found[-1] == Drop(reset=True)
    assert body_of(sent(found)) == STREAM[:at]


def test_a_break_before_the_status_line_sends_nothing() -> None:
    delivery = Delivery(header_delay=0.5)
    assert list(steps(reply(STREAM), delivery, Break("close"))) == [Pause(0.5), Drop(reset=False)]
    assert list(steps(reply(STREAM), delivery, Break("stall"))) == [Pause(0.5), Hold()]


def test_each_write_has_its_pause() -> None:
    delivery = Delivery(first_byte_delay=2.0, pauses=(0.5,), pause=0.25)
    found = list(steps(reply(STREAM), delivery))
    waits = [step.seconds for step in found if isinstance(step, Pause)]
    assert waits == [2.0, 0.5, 0.25, 0.25]
    assert isinstance(found[0], Send), "the headers come before the first byte's delay"


def test_without_a_pause_nothing_comes_between_two_writes() -> None:
    found = list(steps(reply(STREAM), Delivery(pause=None)))
    assert all(isinstance(step, Send) for step in found)


def test_a_whole_body_has_its_length_also_when_it_breaks_off() -> None:
    found = list(steps(reply(b"0123456789", streamed=False), Delivery(cut=4), Break("close", 6)))
    head, body = sent(found).split(b"\r\n\r\n")
    assert b"content-length: 10" in head
    assert body == b"012345"
