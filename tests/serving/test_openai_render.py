"""Events become OpenAI chunks and bodies; a strict reader gets back what was said."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from models.chat import ChatRequest, Opaque, Reasoning, ToolCall
from models.errors import EngineError
from models.stream import (
    Alive,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Replaced,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.outcome import Outcome
from serving.dialects.openai.body import CompletionRenderer
from serving.dialects.openai.parse import parse
from serving.dialects.openai.render import ChunkRenderer
from tests.serving.fake_router import PLAN, legs
from tests.serving.openai_reader import Read, read_stream

SIGNATURE = Opaque(vendor="anthropic", kind="signature", value="c2ln")
REDACTED = Opaque(vendor="anthropic", kind="redacted_thinking", value="c2VjcmV0")
TEXT_SIGNATURE = Opaque(vendor="gemini", kind="text_signature", value="dGV4dA==")
BLOCK = {"type": "thinking", "thinking": "hm", "signature": "x"}
HOST_BLOCK = Opaque(vendor="openai", kind="thinking_blocks", value=BLOCK)
HOST_ITEM = Opaque(
    vendor="openai",
    kind="reasoning_details",
    value={"type": "reasoning.encrypted", "data": "abc", "id": "rs_1", "index": 0},
)


def outcome() -> Outcome:
    return Outcome(
        id="req_01",
        created=1_760_000_000.5,
        dialect="openai-chat",
        requested_model="auto",
        stream=True,
    )


def finished() -> Outcome:
    done = outcome()
    done.plan = PLAN
    done.legs += legs()
    return done


def request(**options: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=(), **options)


def stream(*batches: list[StreamEvent], legacy: bool = False, **options: Any) -> bytes:
    shown = outcome()
    renderer = ChunkRenderer(request(**options), shown, legacy=legacy)
    pieces = [renderer.render(batch) for batch in batches]
    shown.plan = PLAN
    shown.legs += legs()
    return b"".join([*pieces, renderer.end()])


def body(*batches: list[StreamEvent], legacy: bool = False, **options: Any) -> dict[str, Any]:
    renderer = CompletionRenderer(request(**options), finished(), legacy=legacy)
    for batch in batches:
        renderer.add(batch)
    return json.loads(renderer.end())


END: list[StreamEvent] = [UsageReported(Usage(input=3, output=2)), Finished("stop")]


def test_a_stream_on_the_wire() -> None:
    raw = stream([TextDelta("Grüß"), TextDelta(' "Gott"')], [Alive()], END, include_usage=True)

    assert raw.decode().split("\n\n")[:-2] == snapshot(
        [
            'data: {"id":"chatcmpl-req_01","object":"chat.completion.chunk","created":1760000000,"model":"auto","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüß \\"Gott\\""},"logprobs":null,"finish_reason":null}],"usage":null}',
            'data: {"id":"chatcmpl-req_01","object":"chat.completion.chunk","created":1760000000,"model":"auto","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}',
            'data: {"id":"chatcmpl-req_01","object":"chat.completion.chunk","created":1760000000,"model":"auto","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"headstart":{"id":"req_01","route":"deep","task":"code","p_fast":0.21,"because":"P(fast is good enough) = 0.21 < 0.55 for code ⚡\\nsecond line","merge":"continue","legs":[{"role":"draft","provider":"fast","model":"smol","opened_because":"plan","first_token_s":0.05,"usage":{"input":10,"output":4,"cache_read":0,"cache_write":0,"reasoning":0,"estimated":false},"cost_usd":0,"finish":"stopped"},{"role":"upgrade","provider":"anthropic","model":"claude-sonnet-5-5","opened_because":"plan","first_token_s":0.5,"usage":{"input":20,"output":8,"cache_read":8,"cache_write":0,"reasoning":2,"estimated":false},"cost_usd":0.000123,"finish":"stop"}],"cost_usd":0.000123,"saved_usd":null}}',
        ]
    )
    assert raw.endswith(b"}\n\ndata: [DONE]\n\n")


def test_without_include_usage_our_summary_is_on_the_finish_chunk() -> None:
    read = read_stream(stream([TextDelta("Hi")], END))

    assert read.usage is None
    assert len(read.chunks) == 2
    assert "usage" not in read.chunks[0]
    assert read.headstart == snapshot(
        {
            "id": "req_01",
            "route": "deep",
            "task": "code",
            "p_fast": 0.21,
            "because": """\
P(fast is good enough) = 0.21 < 0.55 for code ⚡
second line\
""",
            "merge": "continue",
            "legs": [
                {
                    "role": "draft",
                    "provider": "fast",
                    "model": "smol",
                    "opened_because": "plan",
                    "first_token_s": 0.05,
                    "usage": {
                        "input": 10,
                        "output": 4,
                        "cache_read": 0,
                        "cache_write": 0,
                        "reasoning": 0,
                        "estimated": False,
                    },
                    "cost_usd": 0,
                    "finish": "stopped",
                },
                {
                    "role": "upgrade",
                    "provider": "anthropic",
                    "model": "claude-sonnet-5-5",
                    "opened_because": "plan",
                    "first_token_s": 0.5,
                    "usage": {
                        "input": 20,
                        "output": 8,
                        "cache_read": 8,
                        "cache_write": 0,
                        "reasoning": 2,
                        "estimated": False,
                    },
                    "cost_usd": 0.000123,
                    "finish": "stop",
                },
            ],
            "cost_usd": 0.000123,
            "saved_usd": None,
        }
    )


def test_a_whole_reply() -> None:
    reply = body([TextDelta("Hello"), TextDelta(" you")], END)

    del reply["headstart"]
    assert reply == snapshot(
        {
            "id": "chatcmpl-req_01",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "auto",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello you", "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }
    )


def test_a_silent_answer_is_still_whole() -> None:
    read = read_stream(stream(END))
    assert (read.text, read.finish) == ("", "stop")
    assert body(END)["choices"][0]["message"]["content"] == ""


def test_an_answer_that_broke_off_is_cut_short_not_an_unknown_word() -> None:
    broken: list[StreamEvent] = [UsageReported(Usage()), Finished("error")]
    assert read_stream(stream([TextDelta("Hi")], broken)).finish == "length"
    assert body([TextDelta("Hi")], broken)["choices"][0]["finish_reason"] == "length"


def test_tool_calls() -> None:
    events: list[StreamEvent] = [
        ToolCallStarted(0, "c1", "weather"),
        ToolArgsDelta(0, '{"ci'),
        ToolArgsDelta(0, 'ty":"Bern"}'),
        ToolCallEnded(0),
        ToolCallStarted(1, "c2", "now"),
        ToolCallEnded(1),
        UsageReported(Usage()),
        Finished("tool_calls"),
    ]
    read = read_stream(stream(events))
    [choice] = body(events)["choices"]

    assert [(call.id, call.name, call.arguments) for call in read.calls] == [
        ("c1", "weather", '{"city":"Bern"}'),
        ("c2", "now", "{}"),
    ]
    assert read.finish == choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == snapshot(
        [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
            },
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        ]
    )


def test_a_client_of_2023_gets_function_call() -> None:
    events: list[StreamEvent] = [
        ToolCallStarted(0, "c1", "now"),
        ToolArgsDelta(0, "{}"),
        ToolCallEnded(0),
        Finished("tool_calls"),
    ]
    chunks = [json.loads(line[6:]) for line in stream(events, legacy=True).split(b"\n\n")[:-2]]
    deltas = [chunk["choices"][0]["delta"].get("function_call") for chunk in chunks]
    [choice] = body(events, legacy=True)["choices"]

    assert deltas == [{"name": "now", "arguments": ""}, {"arguments": "{}"}, None]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "now", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


def test_logprobs_only_for_those_who_asked() -> None:
    event = TextDelta("é", (TokenLogprob("é", -0.1, (("é", -0.1), ("e", -2.5))),))

    assert read_stream(stream([event], END)).logprobs == []
    assert body([event], END)["choices"][0]["logprobs"] is None
    items = read_stream(stream([event], END, logprobs=True)).logprobs
    assert items == body([event], END, logprobs=True)["choices"][0]["logprobs"]["content"]
    assert items == snapshot(
        [
            {
                "token": "é",
                "logprob": -0.1,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.1, "bytes": [195, 169]},
                    {"token": "e", "logprob": -2.5, "bytes": [101]},
                ],
            }
        ]
    )


def test_a_refusal_has_its_own_field() -> None:
    read = read_stream(stream([RefusalDelta("I can't "), RefusalDelta("do that.")], END))
    message = body([RefusalDelta("No.")], END)["choices"][0]["message"]

    assert (read.refusal, read.text) == ("I can't do that.", "")
    assert (message["refusal"], message["content"]) == ("No.", None)


def test_revised_text() -> None:
    events: list[StreamEvent] = [TextDelta("A guess."), Replaced(2), TextDelta("fact.")]
    raw = stream(events, END)

    assert b'"headstart":{"replace_from":2}' in raw
    assert body(events, END)["choices"][0]["message"]["content"] == "A fact."


def test_failures_after_the_headers() -> None:
    silent = ChunkRenderer(request(), outcome(), legacy=False)
    assert silent.fail(EngineError("The engine died.")).decode() == snapshot("""\
data: {"error":{"message":"The engine died.","type":"api_error","param":null,"code":"engine_unavailable","origin":"headstart"}}

data: [DONE]

""")

    talking = ChunkRenderer(request(), finished(), legacy=False)
    raw = talking.render([TextDelta("Hi")]) + talking.fail(EngineError("The engine died."))
    assert read_stream(raw).finish == "length"


def returned(details: list[dict[str, Any]], thought: str) -> list[Any]:
    """The reasoning that arrives here when a client sends its assistant turn back."""
    turn = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": thought,
        "reasoning_details": details,
    }
    sent = {"messages": [{"role": "user", "content": "x"}, turn]}
    parts = parse(json.dumps(sent).encode()).request.messages[1].parts
    return [part for part in parts if isinstance(part, Reasoning)]


def test_signed_thoughts_come_back_as_they_were() -> None:
    events: list[StreamEvent] = [
        ReasoningDelta("First "),
        ReasoningDelta("thought."),
        ReasoningDelta(opaque=SIGNATURE),
        ReasoningDelta(opaque=REDACTED),
        ReasoningDelta("Second."),
        ReasoningDelta(opaque=SIGNATURE),
        ReasoningDelta(opaque=TEXT_SIGNATURE),
        ReasoningDelta(opaque=HOST_BLOCK),
        ReasoningDelta(opaque=HOST_ITEM),
        TextDelta("Answer"),
    ]
    read = read_stream(stream(*([event] for event in events), END))
    message = body(events, END)["choices"][0]["message"]

    assert read.reasoning == message["reasoning_content"] == "First thought.Second."
    assert read.details == message["reasoning_details"]
    assert read.details[0] == snapshot(
        {
            "id": "headstart/anthropic/signature",
            "format": "anthropic-claude-v1",
            "index": 0,
            "type": "reasoning.text",
            "text": "First thought.",
            "signature": "c2ln",
        }
    )
    assert read.details[-1] == HOST_ITEM.value
    assert returned(read.details, read.reasoning) == [
        Reasoning(text="First thought.", opaque=(SIGNATURE,)),
        Reasoning(opaque=(REDACTED,)),
        Reasoning(text="Second.", opaque=(SIGNATURE,)),
        Reasoning(opaque=(TEXT_SIGNATURE,)),
        Reasoning(opaque=(HOST_BLOCK,)),
        Reasoning(opaque=(HOST_ITEM,)),
    ]


def test_a_signature_does_not_cover_what_an_earlier_leg_thought() -> None:
    shown = outcome()
    renderer = ChunkRenderer(request(), shown, legacy=False)
    first, second = legs()
    shown.legs.append(first)
    raw = renderer.render([ReasoningDelta("Broken leg.")])
    shown.legs.append(second)
    raw += renderer.render([ReasoningDelta("Own thought."), ReasoningDelta(opaque=SIGNATURE)])
    read = read_stream(raw + renderer.end())

    assert read.reasoning == "Broken leg.Own thought."
    assert [item["text"] for item in read.details] == ["Own thought."]


def test_a_call_carries_its_signatures_there_and_back() -> None:
    signature = Opaque(vendor="gemini", kind="thought_signature", value="sig")
    fields = Opaque(vendor="openai", kind="provider_specific_fields", value={"a": 1})
    events: list[StreamEvent] = [
        ToolCallStarted(0, "c1", "f", (signature, fields)),
        ToolArgsDelta(0, "{}"),
        ToolCallEnded(0),
        Finished("tool_calls"),
    ]
    [call] = read_stream(stream(events)).calls
    [whole] = body(events)["choices"][0]["message"]["tool_calls"]

    assert call.extra_content == whole["extra_content"]
    turn = {"role": "assistant", "content": None, "tool_calls": [whole]}
    sent = {"messages": [{"role": "user", "content": "x"}, turn]}
    [part] = parse(json.dumps(sent).encode()).request.messages[1].parts
    assert isinstance(part, ToolCall)
    assert signature in part.opaque
    assert fields in part.opaque


# -- laws -------------------------------------------------------------------------------------

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


def test_failed_events_render_nothing() -> None:
    renderer = ChunkRenderer(request(), outcome(), legacy=False)
    assert renderer.render([Failed(EngineError("x"))]) == b""
