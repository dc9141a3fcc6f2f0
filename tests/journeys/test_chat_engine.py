"""A newcomer without any key: the real CPU engine drafts, and stands in for the hosted models."""

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from serving.app import build
from serving.engines.engine import Engine
from serving.settings import OutcomeSettings, Settings
from tests.serving.live import serve

pytestmark = pytest.mark.anyio

ASK: Any = [{"role": "user", "content": "Name the capital of France and say one thing about it."}]


async def test_the_engine_drafts_and_stands_in_and_says_so(engine: Engine, tmp_path: Path) -> None:
    settings = Settings(outcomes=OutcomeSettings(path=tmp_path / "outcomes.db"))
    app = await build(settings, {"fast": engine}, {})
    async with (
        serve(app) as url,
        AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="auto",
            messages=ASK,
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=60,
            temperature=0,
            extra_body={"headstart": {"threshold": 1.0}},
        )
        chunks = [chunk async for chunk in stream]
        fast = await client.chat.completions.create(
            model="fast", messages=ASK, max_tokens=20, temperature=0
        )

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    ours: Any = (chunks[-1].model_extra or {})["headstart"]
    hosted = [leg for leg in ours["legs"] if leg["role"] != "draft"]
    assert "Paris" in text
    assert len([reason for reason in finishes if reason]) == 1
    assert hosted[0]["provider"] == "stand-in-anthropic"
    assert hosted[0]["stands_in_for"] == "anthropic/claude-sonnet-5-5"
    assert ours["cost_usd"] == 0
    assert "Paris" in (fast.choices[0].message.content or "")
