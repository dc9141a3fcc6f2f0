"""Events become OpenAI chunks and bodies; a strict reader gets back what was said."""

import json

from inline_snapshot import snapshot

from models.errors import EngineError
from models.stream import (
    Alive,
    Failed,
    Finished,
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
from serving.dialects.openai.render import ChunkRenderer
from tests.serving.openai_reader import read_stream
from tests.serving.rendering import END, body, finished, outcome, request, stream


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


def test_failed_events_render_nothing() -> None:
    renderer = ChunkRenderer(request(), outcome(), legacy=False)
    assert renderer.render([Failed(EngineError("x"))]) == b""
