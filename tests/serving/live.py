"""The edge, and a whole Headstart, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import Response

from serving.app import build
from serving.auth import ClientKey
from serving.edge import build_edge
from serving.engines.fleet import running
from serving.engines.plan import inspect_machine, plan_engines
from serving.handlers import Answering
from serving.health import Readiness
from serving.server import Server, listen
from serving.settings import Settings
from serving.settings_file import environment
from serving.telemetry import Telemetry


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncGenerator[str, None]:
    """Serve by uvicorn on loopback; yields the base URL."""
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
async def live_edge(
    router: Answering,
    *,
    client_keys: Mapping[str, str | ClientKey] | None = None,
    max_body: int = 1_000_000,
    readiness: Readiness = Readiness(fast=True),  # noqa: B008 - frozen
) -> AsyncGenerator[str, None]:
    """Serve this router."""
    app = build_edge(
        router,
        readiness=lambda: readiness,
        metrics=_no_metrics,
        client_keys={name: _client_key(key) for name, key in (client_keys or {}).items()},
        max_body=max_body,
    )
    async with serve(app) as url:
        yield url


@asynccontextmanager
async def headstart(
    fields: Mapping[str, Any], telemetry: Telemetry | None = None
) -> AsyncGenerator[str, None]:
    """A whole Headstart with these settings, as `headstart up` builds it."""
    settings, env = Settings(**fields), environment()
    machine = inspect_machine(env)
    async with (
        running(plan_engines(settings, machine), machine, env) as engines,
        serve(await build(settings, engines, env, telemetry)) as url,
    ):
        yield url


@asynccontextmanager
async def http(base_url: str) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client for that server."""
    async with httpx.AsyncClient(base_url=base_url, timeout=10) as client:
        yield client


def _client_key(key: str | ClientKey) -> ClientKey:
    return ClientKey(key=key) if isinstance(key, str) else key


async def _no_metrics(_: Request) -> Response:
    return Response("", media_type="text/plain")
