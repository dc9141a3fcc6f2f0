"""Each oddity changes what it says, and a reader of the wire still finds the answer in it."""

import json

import httpx
import pytest

from models.chat import Json
from tests.fakes.asked import Dialect
from tests.fakes.faults import Fault
from tests.fakes.oddities import OddityKind
from tests.fakes.script import ScriptedProvider, Turn

pytestmark = pytest.mark.anyio

ANSWER = "Paris is the capital of France."
PATHS = {
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "openai": "/chat/completions",
}


async def stream(dialect: Dialect, kind: OddityKind, at: int | None = None) -> str:
    turn = Turn(answer=ANSWER, fault=Fault(kind=kind, at=at))
    body: Json = {"stream": True, "stream_options": {"include_usage": True}, "messages": []}
    async with ScriptedProvider(dialect, turn) as fake, httpx.AsyncClient() as client:
        return (await client.post(fake.base_url + PATHS[dialect], json=body)).text


def chunks(text: str) -> list[Json]:
    lines = (line.removeprefix("data:").strip() for line in text.splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


def content(text: str, index: int = 0) -> str:
    choices = (c for chunk in chunks(text) for c in chunk.get("choices", ()))
    return "".join(c["delta"].get("content") or "" for c in choices if c["index"] == index)


async def test_what_comes_in_between_begins_at_its_place() -> None:
    foreign = await stream("openai", "foreign_event", 5)
    before, _, after = foreign.partition("event: gateway.status")
    assert (content(before), content(after)) == (ANSWER[:5], ANSWER[5:])
    commented = await stream("openai", "comments", 5)
    assert content(commented.partition(": keep-alive")[0]) == ANSWER[:5]
    assert commented.count(": keep-alive") > 3


async def test_a_second_choice_is_beside_the_first() -> None:
    text = await stream("openai", "second_choice", 0)
    assert content(text) == ANSWER
    assert "OTHEROTHER" in content(text, 1)
    assert '"text": "OTHER"' in await stream("gemini", "second_choice", 0)


async def test_thinking_aloud_stands_before_the_answer() -> None:
    said = content(await stream("openai", "think_tags"))
    assert said.startswith("<think>\nThe user asks")
    assert said.endswith(f"</think>\n\n{ANSWER}")


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("no_space", "data: "),
        ("no_usage", '"usage"'),
        ("usage_null", '"completion_tokens"'),
        ("no_role", '"role"'),
        ("no_id", '"id"'),
        ("no_done", "[DONE]"),
        ("no_finish", '"stop"'),
        ("no_end", "[DONE]"),
        ("no_end", '"stop"'),
    ],
)
async def test_what_is_left_out_is_gone_and_the_text_is_not(kind: OddityKind, gone: str) -> None:
    plain = await stream("openai", "unknown_keys", 0)
    text = await stream("openai", kind)
    assert gone in plain
    assert gone not in text
    assert content(text) == ANSWER


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_other_dialects_lose_their_own_end(dialect: Dialect) -> None:
    text = await stream(dialect, "no_end")
    assert "finishReason" not in text
    assert "message_stop" not in text
    assert "stop_reason" not in text.partition("content_block_start")[2]


async def test_line_ends() -> None:
    text = await stream("openai", "crlf")
    assert text.count("\r\n") == text.count("\n") > 10
