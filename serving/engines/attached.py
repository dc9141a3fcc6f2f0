"""An engine that somebody else runs: asked whether it answers, never started or stopped."""

from __future__ import annotations

import asyncio

import httpx
import msgspec

from models.errors import EngineError
from serving.engines.engine import Address, EngineSnapshot, EngineState, Lifecycle, Role

_PROBE_TIMEOUT = 5.0
_IMPATIENT = 0.5  # seconds between probes of one that does not answer


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: tuple[_Model, ...]


class Attached:
    """An `Engine` behind an OpenAI-compatible URL. It is starting until it answers."""

    def __init__(
        self,
        url: str,
        *,
        role: Role,
        model: str | None = None,
        api_key: str | None = None,
        probe: float = 5.0,
    ) -> None:
        """`url` as OpenAI's SDK takes it, with `/v1`; `model` None: the first one it lists."""
        self._address = Address(base_url=url.rstrip("/").removesuffix("/v1"))
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._role: Role = role
        self._model = model
        self._probe = probe
        self._owner: asyncio.Task[None] | None = None
        # Written by the owner task alone:
        self._life = Lifecycle()
        self._failure = ""

    @property
    def role(self) -> Role:
        """What it is for."""
        return self._role

    @property
    def model(self) -> str:
        """The configured name, or the first that it listed."""
        return self._model or ""

    @property
    def address(self) -> Address:
        """Where it was said to listen."""
        return self._address

    @property
    def ready(self) -> bool:
        """Whether it answered the last probe."""
        return self._life.state is EngineState.READY

    async def ensure_ready(self, seconds: float) -> None:
        """Return once it answers. Raises `EngineError` after `seconds`."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._watch(), name=f"attached {self._role}")
        try:
            async with asyncio.timeout(seconds):
                while not self.ready:
                    await self._life.changed()
        except TimeoutError:
            raise EngineError(
                f"The engine at {self._address.base_url} was not ready within {seconds:g} s: "
                f"{self._failure or 'no answer yet'}."
            ) from None

    async def stop(self) -> None:
        """Stop asking; the engine itself is not ours to stop."""
        if self._owner is not None:
            self._owner.cancel()
            await asyncio.gather(self._owner, return_exceptions=True)
            self._owner = None

    def snapshot(self) -> EngineSnapshot:
        """State and last failure, for people."""
        return EngineSnapshot(
            role=self._role,
            model=self.model,
            state=self._life.state,
            since=self._life.since,
            address=self._address,
            failure=self._failure,
        )

    async def _watch(self) -> None:
        try:
            async with self._address.client(timeout=_PROBE_TIMEOUT) as client:
                while True:
                    self._failure = await self._ask(client)
                    good = not self._failure
                    self._life.enter(EngineState.READY if good else EngineState.STARTING)
                    await asyncio.sleep(self._probe if good else min(self._probe, _IMPATIENT))
        finally:
            self._life.enter(EngineState.STOPPED)

    async def _ask(self, client: httpx.AsyncClient) -> str:
        """Ask for its models, which every OpenAI-compatible server can tell: "" or what is wrong."""
        try:
            reply = await client.get("/v1/models", headers=self._headers)
            if not reply.is_success:
                return f"it answers {reply.status_code} to /v1/models"
            served = [model.id for model in msgspec.json.decode(reply.content, type=_Models).data]
        except httpx.HTTPError as error:
            return f"it cannot be reached ({type(error).__name__})"
        except msgspec.DecodeError:
            return "its /v1/models is not OpenAI's"
        if self._model is None and served:
            self._model = served[0]
        if self._model not in served:
            return f"it serves {', '.join(served) or 'nothing'}, not {self._model or 'any model'}"
        return ""
