"""Is the process up, and could it answer?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response

from models.chat import Json
from serving.handlers import json_reply

_GREETING = "Headstart: first words from your own GPU, depth from the cloud. See /v1/models.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Who could answer right now. `reason` says why nobody could."""

    fast: bool
    deep: tuple[str, ...] = ()
    reason: str = ""
    details: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def ready(self) -> bool:
        """True when any request could be answered."""
        return self.fast or bool(self.deep)


class HealthHandler:
    """`/health`, `/ready`, and the greeting at `/`."""

    def __init__(self, readiness: Callable[[], Readiness]) -> None:
        """`readiness` is asked at each request."""
        self._readiness = readiness

    async def greeting(self, request: Request) -> Response:
        """Says what this is; some clients ask `HEAD /` first."""
        return Response(_GREETING, media_type="text/plain")

    async def health(self, request: Request) -> Response:
        """The process runs."""
        return json_reply({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200 when somebody could answer, else 503 with the reason."""
        now = self._readiness()
        body: dict[str, Json] = {
            "ready": now.ready,
            "fast": now.fast,
            "deep": list(now.deep),
            "reason": now.reason,
            **now.details,
        }
        return json_reply(body, 200 if now.ready else 503)
