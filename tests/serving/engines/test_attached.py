"""An engine that somebody else runs: waited for, watched, never touched."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import EngineError
from serving.engines.attached import Attached
from serving.engines.engine import EngineState
from serving.engines.process import EngineProcess
from tests.fakes.engine import fake_launch, has_ended, starts

pytestmark = pytest.mark.anyio

SOON = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def someone_s_engine(folder: Path, port: int) -> AsyncGenerator[EngineProcess]:
    launch = fake_launch(folder, "--port", str(port))
    process = await EngineProcess.start(launch.command, launch.env, log=folder / "log", grace=5)
    try:
        yield process
    finally:
        await process.end()


def attach(port: int, **options: str | None) -> Attached:
    return Attached(f"http://127.0.0.1:{port}/v1", role="fast", probe=0.01, **options)


async def becomes(engine: Attached, state: EngineState) -> None:
    async with asyncio.timeout(SOON):
        while engine.snapshot().state is not state:
            await engine._life.changed()


async def test_it_is_waited_for_and_tells_its_model(tmp_path: Path) -> None:
    port = free_port()
    engine = attach(port)
    waiting = asyncio.ensure_future(engine.ensure_ready(SOON))
    await becomes(engine, EngineState.STARTING)
    assert not engine.ready
    async with someone_s_engine(tmp_path, port):
        await waiting
        assert engine.ready
        assert engine.model == "fake"
        assert engine.address.base_url == f"http://127.0.0.1:{port}"
        assert engine.snapshot().failure == ""
        await engine.stop()
        assert engine.snapshot().state is EngineState.STOPPED
        # Detached, not ended.
        assert not has_ended(starts(tmp_path)[0][0], within=0)


async def test_it_may_go_and_come_back(tmp_path: Path) -> None:
    port = free_port()
    engine = attach(port)
    async with someone_s_engine(tmp_path, port):
        await engine.ensure_ready(SOON)
    await becomes(engine, EngineState.STARTING)
    assert "cannot be reached" in engine.snapshot().failure
    async with someone_s_engine(tmp_path, port):
        await engine.ensure_ready(SOON)
    await engine.stop()


async def test_nobody_there() -> None:
    port = free_port()
    engine = attach(port)
    with pytest.raises(EngineError) as failure:
        await engine.ensure_ready(0.2)
    assert f"http://127.0.0.1:{port} was not ready within 0.2 s" in failure.value.message
    assert "cannot be reached (ConnectError)" in failure.value.message
    await engine.stop()


async def test_it_serves_another_model_than_configured(tmp_path: Path) -> None:
    port = free_port()
    engine = attach(port, model="Qwen/Qwen2.5-7B-Instruct")
    async with someone_s_engine(tmp_path, port):
        with pytest.raises(EngineError, match=r"it serves fake, not Qwen/Qwen2\.5-7B-Instruct"):
            await engine.ensure_ready(2.0)
    await engine.stop()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "answers 401 to /v1/models"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n<html/>", "is not OpenAI's"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"data":[]}', "it serves nothing"),
    ],
    ids=["unauthorised", "not-openai", "no-model"],
)
async def test_something_else_answers_there(reply: bytes, said: str) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request := await reader.read(65536):  # none when the last probe was broken off
            asked.append(request)
            writer.write(reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        engine = attach(port, api_key="key-for-the-engine")
        with pytest.raises(EngineError, match=said):
            await engine.ensure_ready(1.0)
        await engine.stop()
    assert b"authorization: Bearer key-for-the-engine" in asked[0]


async def test_an_engine_that_is_ours_is_found_by_url_too(tmp_path: Path) -> None:
    """Two servers may share one engine: the second attaches to what the first started."""
    port = free_port()
    async with someone_s_engine(tmp_path, port):
        first, second = attach(port), attach(port)
        await asyncio.gather(first.ensure_ready(SOON), second.ensure_ready(SOON))
        assert replace(first.snapshot(), since=second.snapshot().since) == second.snapshot()
        await first.stop()
        assert second.ready
        await second.stop()
