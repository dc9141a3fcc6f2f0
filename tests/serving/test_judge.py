"""The judge's questions reach its engine, and its answer comes back."""

import httpx
import pytest

from serving.engines.attached import Attached
from serving.judge import JudgeLine
from tests.fakes.fleet import engine

pytestmark = pytest.mark.anyio

QUESTION = {"model": "fast-model", "messages": [{"role": "user", "content": "A or B?"}]}


async def test_a_question_and_its_answer() -> None:
    async with engine("A") as fake:
        fake.api_key = "k"
        line = JudgeLine(Attached(fake.base_url, role="classifier"), api_key="k")
        reply = await line.ask(QUESTION)
        await line.aclose()

    assert reply["choices"][0]["message"]["content"] == "A"
    assert fake.requests[0].json == QUESTION


async def test_a_refusal_is_an_error() -> None:
    async with engine("A") as fake:
        fake.api_key = "k"
        line = JudgeLine(Attached(fake.base_url, role="classifier"))
        with pytest.raises(httpx.HTTPStatusError):
            await line.ask(QUESTION)
        await line.aclose()
