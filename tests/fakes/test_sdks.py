"""Scripted providers through the official SDKs: their frames are what those providers send."""

import json

import anthropic
import openai
import pytest

from models.chat import ToolCall
from models.stream import Usage
from tests.fakes.asked import Dialect
from tests.fakes.faults import Fault
from tests.fakes.script import ScriptedProvider, Turn

pytestmark = pytest.mark.anyio

CALL = ToolCall(id="call_1", name="weather", arguments='{"city": "Paris"}')
TURN = Turn(
    answer="I look it up — now.",
    reasoning="They want the weather.",
    tool_calls=(CALL,),
    usage=Usage(input=100, output=30, cache_read=40, cache_write=10, reasoning=5),
)
SHARES = pytest.mark.parametrize("dialect", ["openai", "deepseek", "vllm"])


async def test_claudes_stream_and_message_are_the_same_to_its_sdk() -> None:
    async with (
        ScriptedProvider("anthropic", TURN) as fake,
        anthropic.AsyncAnthropic(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):
        question: list[anthropic.types.MessageParam] = [{"role": "user", "content": "?"}]
        async with client.messages.stream(
            model="claude-x", max_tokens=99, messages=question
        ) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(model="claude-x", max_tokens=99, messages=question)
    for message in (streamed.model_dump(), whole.model_dump()):
        thinking, text, tool = message["content"]
        assert (thinking["type"], thinking["thinking"]) == ("thinking", TURN.reasoning)
        assert len(thinking["signature"]) > 100
        assert (text["type"], text["text"]) == ("text", TURN.answer)
        assert (tool["type"], tool["id"], tool["name"]) == ("tool_use", "call_1", "weather")
        assert tool["input"] == {"city": "Paris"}
        assert (message["model"], message["stop_reason"]) == ("claude-x", "tool_use")
        usage = message["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (50, 30)
        assert usage["cache_read_input_tokens"] == 40
        assert usage["cache_creation_input_tokens"] == 10


async def test_claudes_errors_are_its_sdks_errors() -> None:
    faults = [Fault(kind="status", status=529), Fault(kind="status", status=429, retry_after=7)]
    in_stream = Turn(answer="One two three.", fault=Fault(kind="error", at=3))
    async with (
        ScriptedProvider("anthropic", *(Turn(fault=f) for f in faults), in_stream) as fake,
        anthropic.AsyncAnthropic(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):
        errors: list[anthropic.APIStatusError] = []
        for _ in range(3):
            with pytest.raises(anthropic.APIStatusError) as caught:
                async with client.messages.stream(
                    model="c", max_tokens=9, messages=[{"role": "user", "content": "?"}]
                ) as stream:
                    await stream.get_final_message()
            errors.append(caught.value)
    assert [error.status_code for error in errors] == [529, 429, 200]
    assert errors[1].response.headers["retry-after"] == "7"
    assert "overloaded_error" in str(errors[2])


@SHARES
async def test_the_openai_sdk_reads_the_stream(dialect: Dialect) -> None:
    async with (
        ScriptedProvider(dialect, TURN) as fake,
        openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    functions = [call.function for call in calls if call.function is not None]
    assert "".join(delta.content or "" for delta in deltas) == TURN.answer
    assert (calls[0].id, functions[0].name) == ("call_1", "weather")
    assert json.loads("".join(f.arguments or "" for f in functions)) == {"city": "Paris"}
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [reason for reason in reasons if reason] == ["tool_calls"]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(u.prompt_tokens, u.completion_tokens) for u in usages] == [(100, 30)]
    assert {chunk.model for chunk in chunks} == {"m"}


@SHARES
async def test_the_openai_sdk_reads_the_whole_reply(dialect: Dialect) -> None:
    async with (
        ScriptedProvider(dialect, TURN) as fake,
        openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):
        reply = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "?"}]
        )
        models = [model.id async for model in client.models.list()]
    message = reply.choices[0].message
    assert message.content == TURN.answer
    assert message.tool_calls is not None
    assert [call.id for call in message.tool_calls] == ["call_1"]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 100
    assert models == ["scripted-model"]


@pytest.mark.parametrize(("dialect", "chunks"), [("openai", 0), ("vllm", 0), ("deepseek", 1)])
async def test_usage_comes_unasked_only_from_deepseek(dialect: Dialect, chunks: int) -> None:
    async with (
        ScriptedProvider(dialect, TURN) as fake,
        openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "?"}], stream=True
        )
        assert len([chunk async for chunk in stream if chunk.usage]) == chunks
