"""The baseline: what one writes in ten minutes with FastAPI and httpx to pass a stream through."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse


def relay(upstream: str) -> FastAPI:
    """An application that asks `upstream` and parses and writes every event again."""
    app = FastAPI()
    limits = httpx.Limits(max_connections=None)
    client = httpx.AsyncClient(base_url=upstream, timeout=60, limits=limits)

    async def events(body: bytes) -> AsyncIterator[str]:
        headers = {"content-type": "application/json"}
        async with client.stream(
            "POST", "/chat/completions", content=body, headers=headers
        ) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    yield f"data: {json.dumps(json.loads(line[6:]))}\n\n"
                elif line:
                    yield f"{line}\n\n"

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> StreamingResponse:
        return StreamingResponse(events(await request.body()), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(relay(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", access_log=False)
