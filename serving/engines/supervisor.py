"""Keeps one engine process alive. One task owns its life; everybody else asks and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

import httpx

from models.errors import EngineError
from serving.engines.engine import (
    Address,
    EngineSnapshot,
    EngineState,
    Lifecycle,
    OnProgress,
    Progress,
    Role,
    Step,
    say_nothing,
)
from serving.engines.process import EngineProcess, tail
from serving.engines.vllm import Launch, gist, is_well, reasons

_jitter = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the supervisor waits, in seconds, and how often it tries again.

    start: a process that does not answer by then is ended; large weights take minutes to load.
    probe, missed: a ready engine that fails `missed` probes in a row is ended and restarted.
    steady: a process that served so long makes up for the deaths before it.
    deaths: that many without a steady process in between, and the engine has failed.
    """

    start: float = 1200.0
    starting_probe: float = 0.2
    probe: float = 5.0
    probe_timeout: float = 10.0
    missed: int = 3
    grace: float = 10.0
    steady: float = 60.0
    deaths: int = 4
    backoff: float = 1.0
    backoff_most: float = 30.0

    def pause(self, deaths: int) -> float:
        """Seconds before the next try: doubling, with jitter so that engines do not march in step."""
        longest = min(self.backoff_most, self.backoff * 2 ** (deaths - 1))
        return longest * _jitter.uniform(0.5, 1.0)


class Supervisor:
    """An `Engine` whose process is ours."""

    def __init__(
        self,
        launch: Launch,
        *,
        role: Role,
        model: str,
        log: Path,
        patience: Patience | None = None,
        turn: asyncio.Lock | None = None,
        on_progress: OnProgress = say_nothing,
    ) -> None:
        """Nothing is started before `ensure_ready`.

        `turn` is shared by engines that must not start at the same time: two that measure the
        free memory of one GPU at once count each other's.
        """
        self._launch = launch
        self._role: Role = role
        self._model = model
        self._log = log
        self._patience = patience or Patience()
        self._turn = turn or asyncio.Lock()
        self._on_progress = on_progress
        self._owner: asyncio.Task[None] | None = None
        self._stop_asked = asyncio.Event()  # the owner's; each owner gets a fresh one
        # Written by the owner task alone:
        self._life = Lifecycle()
        self._process: EngineProcess | None = None
        self._ready_at: float | None = None
        self._restarts = 0
        self._failure = ""

    @property
    def role(self) -> Role:
        """What it is for."""
        return self._role

    @property
    def model(self) -> str:
        """The name it serves the model under."""
        return self._model

    @property
    def address(self) -> Address:
        """Where it listens when it runs."""
        return self._launch.address

    @property
    def ready(self) -> bool:
        """Whether it is up and answers its health checks."""
        return self._life.state is EngineState.READY

    async def ensure_ready(self, seconds: float) -> None:
        """Return once it answers, after starting it if it is stopped. See design.md."""
        try:
            async with asyncio.timeout(seconds):
                await self._until_ready()
        except TimeoutError:
            said = self._with_log(f"{self._model} was not ready within {seconds:g} s.")
            raise EngineError(said) from None

    async def stop(self) -> None:
        """Return once no process of it runs any more; also puts a failed engine back to stopped."""
        if self._owner is not None:
            self._stop_asked.set()
            await asyncio.shield(self._owner)

    def snapshot(self) -> EngineSnapshot:
        """State, process and last log lines, for people."""
        return EngineSnapshot(
            role=self._role,
            model=self._model,
            state=self._life.state,
            since=self._life.since,
            address=self.address,
            pid=self._process.pid if self._process else None,
            restarts=self._restarts,
            failure=self._failure,
            log=self._log,
            last_lines=tail(self._log),
        )

    async def _until_ready(self) -> None:
        while self._owner is not None and self._stop_asked.is_set():
            await asyncio.shield(self._owner)  # on its way down: let it, then start again
        if self._owner is None:
            self._stop_asked = asyncio.Event()
            self._owner = asyncio.create_task(self._own(), name=f"engine {self._role}")
        owner = self._owner
        while True:
            if self._owner is not owner or self._stop_asked.is_set():
                raise EngineError(f"{self._model} was stopped.")
            if self._life.state is EngineState.FAILED:
                raise EngineError(self._failure)
            if self.ready:
                return
            await self._life.changed()

    # What follows runs in the owner task only.

    async def _own(self) -> None:
        """Start, watch and restart the process until `stop`, or until it is hopeless."""
        try:
            if not await self._keep_alive():
                self._life.enter(EngineState.FAILED)
                await self._stop_asked.wait()
        finally:
            self._owner = None
            self._life.enter(EngineState.STOPPED)

    async def _keep_alive(self) -> bool:
        """Run one process after the other; False when there is no use in trying again."""
        served, deaths = False, 0
        while True:
            self._life.enter(EngineState.STARTING)
            reason = await self._one_life()
            if self._stop_asked.is_set():
                return True
            uptime = self._uptime()
            served = served or uptime > 0
            deaths = 1 if uptime >= self._patience.steady else deaths + 1
            self._failure = self._with_log(f"{self._model} {reason}.")
            # One that never answered has a cause that trying again does not remove.
            if not served or deaths >= self._patience.deaths:
                self._tell("failed", reason)
                return False
            self._restarts += 1
            self._tell("restarting", reason)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), self._patience.pause(deaths))
                return True

    async def _one_life(self) -> str:
        """Run one process from its start to its end; say why it ended."""
        self._ready_at = None
        try:
            return await _first(self._stop_asked_for(), self._start_and_watch())
        except OSError as error:
            return f"could not be started: {error}"
        finally:
            stopping = self._stop_asked.is_set()
            self._life.enter(EngineState.STOPPING if stopping else EngineState.STARTING)
            if self._process is not None:
                await self._process.end()
                self._process = None

    async def _stop_asked_for(self) -> str:
        await self._stop_asked.wait()
        return "was stopped"

    async def _start_and_watch(self) -> str:
        async with self.address.client(timeout=self._patience.probe_timeout) as client:
            async with self._turn:
                process = self._process = await self._spawn()
                unwell = await _first(_death(process), self._until_well(client))
            if unwell:
                return unwell
            self._ready_at = asyncio.get_running_loop().time()
            self._tell("ready")
            self._life.enter(EngineState.READY)
            return await _first(_death(process), self._until_unwell(client))

    async def _spawn(self) -> EngineProcess:
        if self.address.uds is not None:
            # vLLM does not bind over the socket that an earlier process left.
            Path(self.address.uds).unlink(missing_ok=True)  # noqa: ASYNC240 - a local unlink
        return await EngineProcess.start(
            self._launch.command, self._launch.env, log=self._log, grace=self._patience.grace
        )

    async def _until_well(self, client: httpx.AsyncClient) -> str:
        """Wait for the first good health check: "" then, else what went wrong."""
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._patience.start
        told = ""
        while not await is_well(client):
            if clock() > give_up:
                return f"did not answer within {self._patience.start:g} s of its start"
            if (said := gist(tail(self._log, 20))) != told:
                self._tell("starting", told := said)
            await asyncio.sleep(self._patience.starting_probe)
        return ""

    async def _until_unwell(self, client: httpx.AsyncClient) -> str:
        missed = 0
        while missed < self._patience.missed:
            await asyncio.sleep(self._patience.probe)
            missed = 0 if await is_well(client) else missed + 1
        return f"did not answer {missed} health checks in a row"

    def _uptime(self) -> float:
        if self._ready_at is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._ready_at

    def _tell(self, step: Step, detail: str = "") -> None:
        self._on_progress(Progress(role=self._role, model=self._model, step=step, detail=detail))

    def _with_log(self, sentence: str) -> str:
        return "\n".join([sentence, *reasons(tail(self._log, 200)), f"(all of it: {self._log})"])


async def _death(process: EngineProcess) -> str:
    return f"ended with exit status {await process.wait()}"


async def _first(*watches: Coroutine[Any, Any, str]) -> str:
    """The result of whichever ends first; the order decides a tie. The others are cancelled."""
    tasks = [asyncio.ensure_future(watch) for watch in watches]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
