"""The web application around any router: paths, auth, errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from serving.auth import ClientAuth, ClientKey, PageAccess
from serving.dialects.openai.dialect import ChatCompletions
from serving.errors import install_error_handlers
from serving.handlers import (
    Answering,
    ChatHandler,
    FeedbackHandler,
    ModelsHandler,
    ProvidersHandler,
)
from serving.health import HealthHandler, Readiness
from serving.routes import Handler, install_routes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_edge(
    router: Answering,
    *,
    readiness: Callable[[], Readiness],
    metrics: Handler,
    client_keys: Mapping[str, ClientKey],
    max_body: int,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """An app that serves `router`. `max_body` is in bytes; `lifespan` closes what must be closed."""
    dialect = ChatCompletions()
    # Handlers read raw bytes, so a generated schema would say nothing: no /docs, no /openapi.json.
    app = FastAPI(title="Headstart", openapi_url=None, lifespan=lifespan)
    install_routes(
        app,
        chat=ChatHandler(router, dialect, max_body),
        feedback=FeedbackHandler(router, max_body),
        models=ModelsHandler(router, created=_now()),
        providers=ProvidersHandler(router),
        health=HealthHandler(readiness),
        metrics=metrics,
    )
    install_error_handlers(app, dialect)
    app.add_middleware(ClientAuth, keys=client_keys, dialect=dialect)
    app.add_middleware(PageAccess, keyed=bool(client_keys))  # outermost: it answers preflights
    return app


def _now() -> int:
    return time.time_ns() // 1_000_000_000
