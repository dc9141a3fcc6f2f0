"""Laws of rendering: what is said is read back, whatever the batches."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.chat import Opaque
from models.stream import (
    Alive,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from serving.dialects.openai.render import ChunkRenderer
from tests.serving.openai_reader import Read, read_stream
from tests.serving.rendering import body, outcome, request, stream

SIGNATURE = Opaque(vendor="anthropic", kind="signature", value="c2ln")
TEXTS = st.text(max_size=12)
SAYINGS = st.one_of(
    TEXTS.map(TextDelta),
    TEXTS.map(ReasoningDelta),
    TEXTS.map(RefusalDelta),
    st.just(ReasoningDelta(opaque=SIGNATURE)),
    st.just(Alive()),
)


@st.composite
def answers(draw: st.DrawFn) -> list[StreamEvent]:
    """Any order of sayings and whole tool calls, as one leg may give them."""
    events: list[StreamEvent] = []
    calls = 0
    for _ in range(draw(st.integers(0, 12))):
        if draw(st.integers(0, 4)):
            events.append(draw(SAYINGS))
            continue
        events.append(ToolCallStarted(calls, f"c{calls}", draw(TEXTS)))
        events += [ToolArgsDelta(calls, piece) for piece in draw(st.lists(TEXTS, max_size=3))]
        events.append(ToolCallEnded(calls))
        calls += 1
    usage = Usage(input=draw(st.integers(0, 99)), output=draw(st.integers(0, 99)))
    return [*events, UsageReported(usage), Finished("tool_calls" if calls else "stop")]


@st.composite
def batched(draw: st.DrawFn, events: list[StreamEvent]) -> list[list[StreamEvent]]:
    """The same events cut into batches anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=6)))
    edges = [0, *cuts, len(events)]
    return [events[a:b] for a, b in pairwise(edges)]


@given(st.data(), st.booleans())
def test_what_is_said_is_read_whatever_the_batches(data: st.DataObject, with_usage: bool) -> None:
    events = data.draw(answers())
    batches = data.draw(batched(events))

    read = read_stream(stream(*batches, include_usage=with_usage))

    assert read.text == "".join(e.text for e in events if isinstance(e, TextDelta))
    assert read.refusal == "".join(e.text for e in events if isinstance(e, RefusalDelta))
    assert read.reasoning == "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    assert len(read.details) == sum(
        isinstance(e, ReasoningDelta) and e.opaque is not None for e in events
    )
    started = [e for e in events if isinstance(e, ToolCallStarted)]
    assert [(c.id, c.name) for c in read.calls] == [(e.id, e.name) for e in started]
    for index, call in enumerate(read.calls):
        pieces = [e.text for e in events if isinstance(e, ToolArgsDelta) and e.index == index]
        assert call.arguments == ("".join(pieces) if pieces else "{}")
    assert (read.usage is not None) is with_usage
    same_in_one_body(events, read)


def same_in_one_body(events: list[StreamEvent], read: Read) -> None:
    [choice] = body(events)["choices"]
    message = choice["message"]
    assert (message["content"] or "") == read.text
    assert (message["refusal"] or "") == read.refusal
    assert message.get("reasoning_content", "") == read.reasoning
    assert message.get("reasoning_details", []) == read.details
    calls = [c["function"] for c in message.get("tool_calls", [])]
    assert [(c["name"], c["arguments"]) for c in calls] == [
        (c.name, c.arguments or "{}") for c in read.calls
    ]
    assert choice["finish_reason"] == read.finish


@given(st.data())
def test_every_send_is_valid_utf8(data: st.DataObject) -> None:
    renderer = ChunkRenderer(request(), outcome(), legacy=False)
    for batch in data.draw(batched(data.draw(answers()))):
        renderer.render(batch).decode()
    renderer.end().decode()
