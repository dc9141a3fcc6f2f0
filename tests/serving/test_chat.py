"""The official OpenAI SDK, and plain HTTP, against the edge on a real socket."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot
from openai import AsyncOpenAI

from models.stream import (
    Alive,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageReported,
)
from tests.serving.fake_router import USAGE, Batch, FakeRouter, said
from tests.serving.live import http, live_edge
from tests.serving.openai_reader import read_stream

pytestmark = pytest.mark.anyio

HI: Any = [{"role": "user", "content": "Hi"}]
CALLS: list[Batch] = [
    [ReasoningDelta("I need two things.")],
    [ToolCallStarted(0, "c1", "weather"), ToolArgsDelta(0, '{"city":')],
    [ToolArgsDelta(0, '"Bern"}'), ToolCallEnded(0), ToolCallStarted(1, "c2", "now")],
    [ToolCallEnded(1), UsageReported(USAGE), Finished("tool_calls")],
]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


@asynccontextmanager
async def sdk(router: FakeRouter) -> AsyncGenerator[AsyncOpenAI, None]:
    async with (
        live_edge(router) as url,
        AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        yield client


async def test_a_streamed_answer() -> None:
    async with sdk(FakeRouter(said("Hel", "lo."))) as client:
        stream = await client.chat.completions.create(
            model="auto", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

    texts = [c.choices[0].delta.content for c in chunks if c.choices]
    assert [text for text in texts if text] == ["Hel", "lo."]
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 42
    assert chunks[-1].usage.prompt_tokens_details is not None
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 8
    ours = (chunks[-1].model_extra or {})["headstart"]
    assert [(leg["role"], leg["provider"]) for leg in ours["legs"]] == [
        ("draft", "fast"),
        ("upgrade", "anthropic"),
    ]


async def test_a_whole_answer() -> None:
    async with sdk(FakeRouter(said("Hel", "lo."))) as client:
        reply = await client.chat.completions.create(model="auto", messages=HI)

    assert reply.choices[0].message.content == "Hello."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 42
    assert (reply.model_extra or {})["headstart"]["saved_usd"] == 0.0021


async def test_tool_calls_streamed_and_whole() -> None:
    async with sdk(FakeRouter(CALLS)) as client:
        async with client.chat.completions.stream(model="auto", messages=HI, tools=TOOLS) as stream:
            final = await stream.get_final_completion()
        whole = await client.chat.completions.create(model="auto", messages=HI, tools=TOOLS)

    for reply in (final, whole):
        assert reply.choices[0].finish_reason == "tool_calls"
        calls = reply.choices[0].message.tool_calls or []
        functions = [call.function for call in calls if call.type == "function"]
        assert [(f.name, f.arguments) for f in functions] == [
            ("weather", '{"city":"Bern"}'),
            ("now", "{}"),
        ]


async def test_the_decision_is_in_the_headers_as_one_ascii_line() -> None:
    async with live_edge(FakeRouter(said("Hi"))) as url, http(url) as client:
        for stream in (True, False):
            body = {"messages": HI, "stream": stream}
            reply = await client.post("/v1/chat/completions", json=body)
            ours = {k: v for k, v in reply.headers.items() if k.startswith("x-headstart")}
            assert ours == snapshot(
                {
                    "x-headstart-id": "req_01",
                    "x-headstart-route": "deep",
                    "x-headstart-task": "code",
                    "x-headstart-because": "P(fast is good enough) = 0.21 < 0.55 for code ? second line",
                }
            )
            assert "server" not in reply.headers


async def test_a_stream_is_not_held_back_by_proxies() -> None:
    async with live_edge(FakeRouter(said("Hi"))) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "stream": True})

    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.headers["cache-control"] == "no-cache"
    assert read_stream(reply.content).text == "Hi"


async def test_pings_without_content_open_nothing() -> None:
    router = FakeRouter([[Alive()], [Alive()], *said("Hi")], hold_at=2)
    async with live_edge(router) as url, http(url) as client:
        request = client.build_request(
            "POST", "/v1/chat/completions", json={"messages": HI, "stream": True}
        )
        sending = asyncio.create_task(client.send(request, stream=True))
        await router.holding.wait()
        await asyncio.sleep(0)
        assert not sending.done()
        router.release.set()
        reply = await sending
        assert read_stream(await reply.aread()).text == "Hi"


async def test_one_send_per_batch() -> None:
    batch = [TextDelta("a"), TextDelta("b"), TextDelta("c")]
    async with live_edge(FakeRouter([batch, *said()])) as url, http(url) as client:
        reply = await client.post("/v1/chat/completions", json={"messages": HI, "stream": True})

    read = read_stream(reply.content)
    assert [c["choices"][0]["delta"].get("content") for c in read.chunks] == ["abc", None]


async def test_what_a_route_would_be() -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/route", json={"messages": HI})

    assert reply.json() == snapshot(
        {
            "because": """\
P(fast is good enough) = 0.21 < 0.55 for code ⚡
second line\
""",
            "assessment": {
                "task": "code",
                "p_fast": 0.21,
                "classifier": "fake-v1",
                "task_probabilities": {},
                "signals": {},
            },
            "plan": {
                "route": "deep",
                "task": "code",
                "p_fast": 0.21,
                "threshold": 0.55,
                "merge": "continue",
                "draft": {"name": "fast/smol", "local": True, "stands_in_for": ""},
                "deep": [
                    {"name": "anthropic/claude-sonnet-5-5", "local": False, "stands_in_for": ""}
                ],
                "rescue": None,
                "shares": {},
            },
            "estimates": [{"target": "anthropic/claude-sonnet-5-5", "usd": 0.00123, "note": ""}],
            "neighbours": [],
        }
    )


async def test_models() -> None:
    async with sdk(FakeRouter()) as client:
        listed = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("anthropic/claude-sonnet-5-5")
        with pytest.raises(openai.NotFoundError, match="There is no model `x/y` here"):
            await client.models.retrieve("x/y")

    assert listed == ["auto", "anthropic/claude-sonnet-5-5"]
    assert one.owned_by == "anthropic"
    assert (one.model_extra or {})["context_window"] == 1_000_000


async def test_json_of_decimals_is_a_number() -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/route", json={"messages": HI})
    assert json.loads(reply.content)["estimates"][0]["usd"] == 0.00123
