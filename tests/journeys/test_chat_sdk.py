"""A user with the official OpenAI SDK asks a whole Headstart; every model behind it is a fake."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from classifier.judge_prompts import EXAMPLES
from models.chat import ToolCall
from tests.fakes.faults import Fault
from tests.fakes.fleet import claude, deepseek, engine, hosted
from tests.fakes.script import ScriptedProvider, Turn
from tests.serving.live import headstart
from tests.serving.openai_reader import read_stream

pytestmark = pytest.mark.anyio

DRAFT = "The sky is blue because of scattering. Short waves bend more."
DEEP = "The sky is blue because of scattering. Air scatters blue light most, as Rayleigh found."
ASK: Any = [{"role": "user", "content": "Why is the sky blue?"}]
TO_DEEP: Any = {"headstart": {"threshold": 1.0}}  # no chance is good enough for the fast tier
TO_FAST: Any = {"headstart": {"threshold": 0.0}}


@asynccontextmanager
async def asked(
    fast: ScriptedProvider, **providers: ScriptedProvider
) -> AsyncGenerator[AsyncOpenAI, None]:
    async with hosted(fast=fast, **providers) as fleet:
        # A busy machine must not make the draft late: what is tested here is not its speed.
        patient: dict[str, Any] = {"deadlines": {"fast_first_token": 5.0}}
        async with (
            headstart(fleet.settings | patient) as url,
            AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client,
        ):
            yield client


async def stream(client: AsyncOpenAI, **options: Any) -> tuple[str, list[Any]]:
    answer = await client.chat.completions.create(
        model="auto",
        messages=ASK,
        stream=True,
        stream_options={"include_usage": True},
        **options,
    )
    chunks = [chunk async for chunk in answer]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return text, chunks


async def test_the_draft_speaks_first_and_the_hosted_model_carries_on() -> None:
    async with asked(engine(DRAFT), anthropic=claude(DEEP)) as client:
        text, chunks = await stream(client, extra_body=TO_DEEP)

    assert text == DEEP
    assert [c.choices[0].finish_reason for c in chunks if c.choices].count("stop") == 1
    assert chunks[-1].usage.total_tokens > 0
    ours = chunks[-1].model_extra["headstart"]
    assert [(leg["role"], leg["provider"]) for leg in ours["legs"]] == [
        ("draft", "local"),
        ("upgrade", "anthropic"),
    ]
    assert ours["route"] == "deep"
    assert ours["cost_usd"] > 0


async def test_an_easy_question_stays_on_this_machine() -> None:
    cloud = claude(DEEP)
    async with asked(engine(DRAFT), anthropic=cloud) as client:
        text, chunks = await stream(client, extra_body=TO_FAST)
        whole = await client.chat.completions.create(model="auto", messages=ASK, extra_body=TO_FAST)

    assert text == whole.choices[0].message.content == DRAFT
    assert chunks[-1].model_extra["headstart"]["cost_usd"] == 0
    assert cloud.requests == []


async def test_a_whole_reply_is_the_same_answer() -> None:
    async with asked(engine(DRAFT), anthropic=claude(DEEP)) as client:
        reply = await client.chat.completions.create(model="auto", messages=ASK, extra_body=TO_DEEP)

    assert reply.choices[0].message.content == DEEP
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 0


async def test_a_hosted_model_that_fails_hands_over_to_its_equal() -> None:
    broken = Turn(answer=DEEP, fault=Fault(kind="status", status=529))
    async with asked(engine(DRAFT), anthropic=claude(broken), deepseek=deepseek(DEEP)) as client:
        text, chunks = await stream(client, extra_body=TO_DEEP)

    assert text == DEEP
    legs = chunks[-1].model_extra["headstart"]["legs"]
    assert [(leg["provider"], leg.get("error", {}).get("code")) for leg in legs] == [
        ("local", None),
        ("anthropic", "provider_overloaded"),
        ("deepseek", None),
    ]


async def test_tools_reach_the_hosted_model_and_its_call_comes_back() -> None:
    call = ToolCall(id="toolu_1", name="weather", arguments='{"city":"Bern"}')
    cloud = claude(Turn(tool_calls=(call,)))
    function: Any = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    tools: Any = [{"type": "function", "function": function}]
    async with asked(engine(DRAFT), anthropic=cloud) as client:
        reply = await client.chat.completions.create(
            model="deep", messages=ASK, tools=tools, tool_choice="auto"
        )

    [made] = reply.choices[0].message.tool_calls or []
    assert made.type == "function"
    assert (made.function.name, json.loads(made.function.arguments)) == (
        "weather",
        {"city": "Bern"},
    )
    assert reply.choices[0].finish_reason == "tool_calls"
    assert cloud.requests[0].json["tools"][0]["name"] == "weather"


async def test_when_nobody_can_answer_the_error_says_who_failed() -> None:
    down = Fault(kind="status", status=529, retry_after=7.0)
    fast = engine(Turn(fault=Fault(kind="status", status=500)))
    async with asked(fast, anthropic=claude(Turn(fault=down))) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="auto", messages=ASK, extra_body=TO_DEEP)

    body: Any = caught.value.body
    assert body["origin"] == "anthropic"
    assert caught.value.status_code == 503


async def test_bad_requests_are_answered_by_us_and_cost_nothing() -> None:
    fast, cloud = engine(DRAFT), claude(DEEP)
    async with asked(fast, anthropic=cloud) as client:
        before = len(fast.requests)
        with pytest.raises(
            openai.NotFoundError, match="Did you mean `anthropic/claude-sonnet-5-5`"
        ):
            await client.chat.completions.create(model="antropic/claude-sonnet-5-5", messages=ASK)
        with pytest.raises(openai.BadRequestError, match="at least one message"):
            await client.chat.completions.create(model="auto", messages=[])
        huge: Any = [{"role": "user", "content": "x" * 25_000_000}]
        with pytest.raises(openai.APIStatusError) as large:
            await client.chat.completions.create(model="auto", messages=huge)
        assert len(fast.requests) == before

    assert large.value.status_code == 413
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("silent_after", "stream"), [(None, True), (60, True), (60, False)], ids=str
)
async def test_a_client_that_leaves_closes_every_upstream_connection(
    silent_after: int | None, stream: bool
) -> None:
    stalling = Turn(answer=DEEP, fault=Fault(kind="stall", at=silent_after))
    cloud = claude(stalling)
    async with (
        hosted(fast=engine(DRAFT), anthropic=cloud) as fleet,
        headstart(fleet.settings) as url,
        httpx.AsyncClient(timeout=10) as client,
    ):
        body = {"model": "deep", "messages": ASK, "stream": stream}
        shown = asyncio.Event()
        asking = asyncio.create_task(_ask(client, url, body, shown))
        await cloud.received()
        if silent_after and stream:
            await asyncio.wait_for(shown.wait(), 5)
        left = time.monotonic()
        asking.cancel()
        closed = await cloud.closed()

    assert closed - left < 2  # sooner than any deadline would end it


async def _ask(
    client: httpx.AsyncClient, url: str, body: dict[str, Any], shown: asyncio.Event
) -> None:
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as reply:
        async for _ in reply.aiter_bytes():
            shown.set()


async def test_a_judge_on_an_engine_of_its_own_is_asked_and_may_fail() -> None:
    judge = engine("not a label")
    async with judge, hosted(fast=engine(DRAFT), anthropic=claude(DEEP)) as fleet:
        judged: dict[str, Any] = {
            "classifier": {"url": judge.base_url},
            "deadlines": {"classifier": 5.0, "fast_first_token": 5.0},
        }
        async with (
            headstart(fleet.settings | judged) as url,
            httpx.AsyncClient(timeout=20) as client,
        ):
            body = {"model": "auto", "messages": ASK, **TO_FAST}
            reply = await client.post(f"{url}/v1/chat/completions", json=body)

    asked = [r for r in judge.requests if r.method == "POST"]
    assert len(asked) == len(EXAMPLES) + 2, "its habits at the start, then two questions"
    assert asked[-1].json["max_tokens"] == 1
    assert reply.json()["choices"][0]["message"]["content"] == DRAFT


async def test_the_wire_itself_is_in_order() -> None:
    async with (
        hosted(fast=engine(DRAFT), anthropic=claude(DEEP)) as fleet,
        headstart(fleet.settings) as url,
        httpx.AsyncClient(timeout=20) as client,
    ):
        body = {"model": "auto", "messages": ASK, "stream": True, **TO_DEEP}
        reply = await client.post(f"{url}/v1/chat/completions", json=body)
        metrics = await client.get(f"{url}/metrics")
        ready = await client.get(f"{url}/ready")

    read = read_stream(reply.content)
    assert read.text == DEEP
    assert reply.headers["x-headstart-route"] == "deep"
    assert "gen_ai_client_operation_duration" in metrics.text
    assert ready.json()["deep"][0] == "anthropic/claude-sonnet-5-5"
