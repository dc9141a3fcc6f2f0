"""The five states: what each verb does in each, with real processes that misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from models.errors import EngineError
from serving.engines.engine import EngineState, Progress
from serving.engines.supervisor import Patience, Supervisor
from tests.fakes.engine import fake_launch, has_ended, starts

pytestmark = pytest.mark.anyio

IMPATIENT = Patience(
    starting_probe=0.01,
    grace=5,
    steady=60,
    deaths=3,
    backoff=0.02,
    backoff_most=0.05,
)
SOON = 30.0

MakeEngine = Callable[..., Supervisor]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncGenerator[MakeEngine]:
    async with AsyncExitStack() as stack:

        def engine(
            *options: str,
            patience: Patience = IMPATIENT,
            folder: Path = tmp_path,
            turn: asyncio.Lock | None = None,
            on_progress: Callable[[Progress], None] = lambda _: None,
        ) -> Supervisor:
            folder.mkdir(exist_ok=True)
            made = Supervisor(
                fake_launch(folder, *options),
                role="fast",
                model="fake",
                log=folder / "engine.log",
                patience=patience,
                turn=turn,
                on_progress=on_progress,
            )
            stack.push_async_callback(made.stop)
            return made

        yield engine


async def post(engine: Supervisor, path: str) -> None:
    async with engine.address.client(timeout=SOON) as client:
        with suppress(httpx.TransportError):  # the connection breaks when the engine crashes
            await client.post(path)


async def until(engine: Supervisor, state: EngineState, restarts: int = 0) -> None:
    async with asyncio.timeout(SOON):
        while engine.snapshot().state is not state or engine.snapshot().restarts < restarts:
            await engine._life.changed()


async def test_start_and_stop(make: MakeEngine, tmp_path: Path) -> None:
    engine = make("--helper")
    assert engine.snapshot().state is EngineState.STOPPED
    await engine.ensure_ready(SOON)
    assert engine.ready
    assert engine.snapshot().state is EngineState.READY
    async with engine.address.client(timeout=SOON) as client:
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "fake"
    await engine.stop()
    assert engine.snapshot().state is EngineState.STOPPED
    assert engine.snapshot().pid is None
    assert all(has_ended(pid, within=0) for pid in starts(tmp_path)[0])


async def test_many_callers_start_one_process(make: MakeEngine, tmp_path: Path) -> None:
    engine = make()
    await asyncio.gather(*(engine.ensure_ready(SOON) for _ in range(8)))
    await engine.ensure_ready(SOON)
    assert len(starts(tmp_path)) == 1


async def test_stop_twice_and_when_stopped(make: MakeEngine, tmp_path: Path) -> None:
    engine = make()
    await engine.stop()
    await engine.ensure_ready(SOON)
    await asyncio.gather(engine.stop(), engine.stop())
    await engine.stop()
    assert starts(tmp_path)
    assert engine.snapshot().state is EngineState.STOPPED


async def test_a_stopped_engine_starts_again(make: MakeEngine, tmp_path: Path) -> None:
    engine = make()
    await engine.ensure_ready(SOON)
    await engine.stop()
    await engine.ensure_ready(SOON)
    assert engine.ready
    assert len(starts(tmp_path)) == 2
    assert (tmp_path / "engine.log.1").exists()


async def test_ensure_ready_while_stopping_waits_and_starts_again(
    make: MakeEngine, tmp_path: Path
) -> None:
    engine = make()
    await engine.ensure_ready(SOON)
    stopping = asyncio.ensure_future(engine.stop())
    await asyncio.sleep(0)  # let stop ask
    await engine.ensure_ready(SOON)
    await stopping
    assert engine.ready
    assert len(starts(tmp_path)) == 2


async def test_an_engine_that_refuses_to_start_fails_at_once_with_its_reason(
    make: MakeEngine, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    engine = make("--refuse", "ValueError: no room for the KV cache", "--refuse-while", str(broken))
    with pytest.raises(EngineError) as failure:
        await engine.ensure_ready(SOON)
    first, reason, where = failure.value.message.splitlines()
    assert first == "fake ended with exit status 1."
    assert reason == "ValueError: no room for the KV cache"
    assert str(tmp_path / "engine.log") in where
    assert len(starts(tmp_path)) == 1
    # A failed one stays so: asking again costs nothing and says the same.
    with pytest.raises(EngineError, match="no room"):
        await engine.ensure_ready(SOON)
    assert len(starts(tmp_path)) == 1
    assert engine.snapshot().state is EngineState.FAILED
    # Stopping puts it back, so that it can be tried anew once the cause is gone.
    await engine.stop()
    broken.unlink()
    await engine.ensure_ready(SOON)
    assert engine.ready


async def test_a_crashed_engine_comes_back_at_the_same_address(
    make: MakeEngine, tmp_path: Path
) -> None:
    said: list[Progress] = []
    engine = make(on_progress=said.append)
    await engine.ensure_ready(SOON)
    address = engine.address
    await post(engine, "/crash")
    await until(engine, EngineState.READY, restarts=1)
    assert engine.address == address
    assert len(starts(tmp_path)) == 2
    assert "exit status 9" in engine.snapshot().failure
    assert "asked to crash" in engine.snapshot().failure
    assert [p.step for p in said] == ["ready", "restarting", "ready"]


async def test_ensure_ready_waits_for_the_restart(make: MakeEngine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    engine = make("--gate", str(gate))
    await engine.ensure_ready(SOON)
    gate.unlink()
    await post(engine, "/crash")
    await until(engine, EngineState.STARTING, restarts=1)
    waiting = asyncio.ensure_future(engine.ensure_ready(SOON))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.touch()
    await waiting
    assert engine.ready


async def test_one_quick_death_too_many(make: MakeEngine, tmp_path: Path) -> None:
    engine = make()
    await engine.ensure_ready(SOON)
    for restarts in range(1, IMPATIENT.deaths):
        await post(engine, "/crash")
        await until(engine, EngineState.READY, restarts=restarts)
    await post(engine, "/crash")
    await until(engine, EngineState.FAILED)
    assert len(starts(tmp_path)) == IMPATIENT.deaths
    with pytest.raises(EngineError, match="asked to crash"):
        await engine.ensure_ready(SOON)


async def test_a_steady_engine_is_forgiven_its_deaths(make: MakeEngine) -> None:
    forgiving = Patience(starting_probe=0.01, steady=0.0, deaths=2, backoff=0.01, grace=5)
    engine = make(patience=forgiving)
    await engine.ensure_ready(SOON)
    for restarts in range(1, 5):
        await post(engine, "/crash")
        await until(engine, EngineState.READY, restarts=restarts)


async def test_a_hanging_engine_is_replaced(make: MakeEngine, tmp_path: Path) -> None:
    engine = make(patience=replace(IMPATIENT, probe=0.02, missed=2))
    await engine.ensure_ready(SOON)
    await post(engine, "/hang")
    await until(engine, EngineState.READY, restarts=1)
    assert "did not answer 2 health checks in a row" in engine.snapshot().failure
    ((first,), _) = starts(tmp_path)
    assert has_ended(first, within=0)


async def test_one_that_ignores_sigterm_is_killed(make: MakeEngine, tmp_path: Path) -> None:
    engine = make("--ignore-term", "--helper", patience=Patience(starting_probe=0.01, grace=0.1))
    await engine.ensure_ready(SOON)
    await engine.stop()
    assert all(has_ended(pid, within=0) for pid in starts(tmp_path)[0])


async def test_stop_while_starting_tells_those_who_wait(make: MakeEngine, tmp_path: Path) -> None:
    engine = make("--gate", str(tmp_path / "never"))
    waiting = asyncio.ensure_future(engine.ensure_ready(SOON))
    await until(engine, EngineState.STARTING)
    await engine.stop()
    with pytest.raises(EngineError, match="fake was stopped"):
        await waiting
    assert engine.snapshot().state is EngineState.STOPPED


async def test_a_caller_s_patience_ends_before_the_engine_s(
    make: MakeEngine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    engine = make("--gate", str(gate))
    with pytest.raises(EngineError, match=r"not ready within 0\.05 s"):
        await engine.ensure_ready(0.05)
    gate.touch()
    await engine.ensure_ready(SOON)
    assert len(starts(tmp_path)) == 1


async def test_an_engine_that_never_answers_is_ended(make: MakeEngine, tmp_path: Path) -> None:
    hasty = Patience(starting_probe=0.01, start=0.3, grace=5)
    engine = make("--gate", str(tmp_path / "never"), patience=hasty)
    with pytest.raises(EngineError, match=r"did not answer within 0\.3 s of its start"):
        await engine.ensure_ready(SOON)
    assert all(has_ended(pid, within=0) for start in starts(tmp_path) for pid in start)


async def test_engines_that_share_a_turn_start_one_after_the_other(
    make: MakeEngine, tmp_path: Path
) -> None:
    turn = asyncio.Lock()
    gate = tmp_path / "gate"
    first = make("--gate", str(gate), folder=tmp_path / "a", turn=turn)
    second = make(folder=tmp_path / "b", turn=turn)
    waiting = asyncio.ensure_future(first.ensure_ready(SOON))
    await until(first, EngineState.STARTING)
    with pytest.raises(EngineError, match="not ready"):
        await second.ensure_ready(0.5)
    assert starts(tmp_path / "b") == []
    gate.touch()
    await asyncio.gather(waiting, second.ensure_ready(SOON))
    assert len(starts(tmp_path / "b")) == 1
    assert first.ready
    assert second.ready


async def test_a_killed_leash_takes_the_engine_with_it(make: MakeEngine, tmp_path: Path) -> None:
    engine = make("--helper")
    await engine.ensure_ready(SOON)
    leash = engine.snapshot().pid
    assert leash is not None
    os.kill(leash, signal.SIGKILL)
    await until(engine, EngineState.READY, restarts=1)
    first, _second = starts(tmp_path)
    assert all(has_ended(pid) for pid in first)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    launch = replace(fake_launch(tmp_path), command=("/no/such/vllm",))
    engine = Supervisor(launch, role="fast", model="fake", log=tmp_path / "log")
    with pytest.raises(EngineError, match="No such file or directory: '/no/such/vllm'"):
        await engine.ensure_ready(SOON)
    await engine.stop()


async def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = Supervisor(
        fake_launch(tmp_path), role="fast", model="fake", log=tmp_path / "file" / "log"
    )
    with pytest.raises(EngineError, match="could not be started"):
        await engine.ensure_ready(SOON)
    await engine.stop()


def test_pauses_double_up_to_a_limit_and_differ() -> None:
    patience = Patience(backoff=1.0, backoff_most=8.0)
    for deaths, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0)):
        pauses = {patience.pause(deaths) for _ in range(20)}
        assert len(pauses) > 1
        assert all(longest / 2 <= pause <= longest for pause in pauses)
