"""`headstart up` as a person runs it: what it prints, that it answers, that Ctrl-C ends it."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.fleet import engine, hosted
from tests.serving.openai_reader import read_stream

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
ASK: Any = [{"role": "user", "content": "Why is the sky blue?"}]
DRAFT = "Air scatters blue light. That is all."


@asynccontextmanager
async def up(toml: str, folder: Path) -> AsyncGenerator[tuple[Process, str], None]:
    """The running command, and what it printed until it said what to try."""
    config = folder / "headstart.toml"
    config.write_text(toml)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serving", "up", "--config", str(config)),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},  # noqa: TID251
        stdout=PIPE,
        stderr=STDOUT,
    )
    assert process.stdout is not None
    try:
        printed = await asyncio.wait_for(process.stdout.readuntil(b"curl -N"), 50)
        yield process, printed.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def address(printed: str) -> str:
    found = re.search(r"Headstart is up at (http://127\.0\.0\.1:\d+)", printed)
    assert found
    return found[1]


async def test_without_keys_it_says_what_stands_in_answers_and_ends_with_ctrl_c() -> None:
    async with hosted(fast=engine(DRAFT)) as fleet:
        toml = fleet.toml.replace('"order" = []', "")  # the default order, for which no key is set
        async with up(toml, fleet.folder) as (process, printed):
            url = address(printed)
            body = {"model": "fast", "messages": ASK, "stream": True}
            async with httpx.AsyncClient(timeout=20) as client:
                reply = await client.post(f"{url}/v1/chat/completions", json=body)
            process.send_signal(signal.SIGINT)
            rest, _ = await asyncio.wait_for(process.communicate(), 15)

    assert "fast        fast-model" in printed
    assert "classifier  embedding, in this process" in printed
    assert (
        "anthropic/claude-sonnet-5-5: fast-model stands in (set ANTHROPIC_API_KEY for the real one)"
        in printed
    )
    assert f"{url}/v1/chat/completions -d" in rest.decode()
    assert read_stream(reply.content).text == DRAFT
    assert process.returncode == 0
    assert "Traceback" not in printed + rest.decode()
