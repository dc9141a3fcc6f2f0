"""The judge's line to its engine: one chat completion, whole."""

from __future__ import annotations

from typing import Final

import msgspec

from classifier.judge import Body
from serving.engines.engine import Engine

_LIMIT: Final = (
    120.0  # seconds, for many at once without a GPU; a request's own deadline is far shorter
)


class JudgeLine:
    """Sends the judge's questions to an engine."""

    def __init__(self, engine: Engine, *, api_key: str = "") -> None:
        """Nothing is sent before the first question."""
        self._client = engine.address.client(timeout=_LIMIT)
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"

    async def ask(self, body: Body) -> Body:
        """The engine's reply; raises an `httpx.HTTPError` when it gives none."""
        content = msgspec.json.encode(body)
        reply = await self._client.post(
            "/v1/chat/completions", content=content, headers=self._headers
        )
        reply.raise_for_status()
        return msgspec.json.decode(reply.content, type=Body)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._client.aclose()
