"""What every engine looks like from outside, whoever runs its process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import httpx

Role: TypeAlias = Literal["fast", "classifier"]


class EngineState(StrEnum):
    """The five states; design.md says what each verb does in each."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an engine listens. `base_url` is without `/v1`; `uds` is the unix socket under it."""

    base_url: str
    uds: str | None = None

    def client(self, *, timeout: float) -> httpx.AsyncClient:
        """A client for this engine that no proxy setting can lead astray."""
        transport = httpx.AsyncHTTPTransport(uds=self.uds, trust_env=False)
        return httpx.AsyncClient(
            base_url=self.base_url, transport=transport, timeout=timeout, trust_env=False
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSnapshot:
    """How an engine is doing, for display only: by the time it is read it may be history."""

    role: Role
    model: str
    state: EngineState
    since: datetime
    address: Address
    pid: int | None = None  # of the process group's leader
    restarts: int = 0
    failure: str = ""  # why the last process ended, "" while none did
    log: Path | None = None
    last_lines: tuple[str, ...] = ()


class Lifecycle:
    """A state, since when it holds, and a way to wait for the next one. One task may write it."""

    def __init__(self) -> None:
        """Stopped, as of now."""
        self.state = EngineState.STOPPED
        self.since = datetime.now(UTC)
        self._change = asyncio.Event()

    def enter(self, state: EngineState) -> None:
        """Take on a state and wake all who wait for a change."""
        if state is not self.state:
            self.state = state
            self.since = datetime.now(UTC)
            self._change.set()
            self._change = asyncio.Event()

    async def changed(self) -> None:
        """Return after the next change. Look at `state` again then: there may have been two."""
        await self._change.wait()


class Engine(Protocol):
    """One model server. Callers use the verbs and never decide by looking at the state."""

    @property
    def role(self) -> Role:
        """What it is for."""
        ...

    @property
    def model(self) -> str:
        """The name to put into a request's `model`; known once the engine was ready."""
        ...

    @property
    def address(self) -> Address:
        """Where to send requests; the same over restarts."""
        ...

    @property
    def ready(self) -> bool:
        """Whether a request sent now would probably be taken."""
        ...

    async def ensure_ready(self, seconds: float) -> None:
        """Return once it answers, after starting it if it is stopped.

        Raises `EngineError` when it failed, was stopped meanwhile, or took more than `seconds`.
        """
        ...

    async def stop(self) -> None:
        """Return once nothing of it runs any more."""
        ...

    def snapshot(self) -> EngineSnapshot:
        """State, process and last log lines, for people."""
        ...


Step: TypeAlias = Literal["weights", "starting", "ready", "restarting", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing to tell a person who waits. `fraction` is 0..1 where it can be known."""

    role: Role
    model: str
    step: Step
    detail: str = ""
    fraction: float | None = None


OnProgress: TypeAlias = Callable[[Progress], None]


def say_nothing(_: Progress) -> None:
    """Drop the progress: nobody waits."""
