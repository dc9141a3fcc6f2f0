"""The edge on a real socket, and clients that can leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi.responses import Response

from serving.edge import build_edge
from serving.handlers import Answering
from serving.health import Readiness
from serving.server import Server, listen


@asynccontextmanager
async def live_edge(
    router: Answering,
    *,
    client_keys: Mapping[str, str] | None = None,
    max_body: int = 1_000_000,
    readiness: Readiness = Readiness(fast=True),  # noqa: B008 - frozen
) -> AsyncGenerator[str, None]:
    """Serve `router` by uvicorn on loopback; yields the base URL."""
    app = build_edge(
        router,
        readiness=lambda: readiness,
        metrics=_no_metrics,
        client_keys=client_keys or {},
        max_body=max_body,
    )
    sock = listen("127.0.0.1", 0)
    listening = asyncio.Event()
    server = Server(app, listening.set)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    await listening.wait()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.stop()
        await serving


@asynccontextmanager
async def http(base_url: str) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client for that server."""
    async with httpx.AsyncClient(base_url=base_url, timeout=10) as client:
        yield client


async def _no_metrics() -> Response:
    return Response("", media_type="text/plain")
