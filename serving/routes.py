"""Path -> handler, nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response

from serving.handlers import ChatHandler, FeedbackHandler, ModelsHandler, ProvidersHandler
from serving.health import HealthHandler

Handler = Callable[[Request], Awaitable[Response]]


def install_routes(
    app: FastAPI,
    *,
    chat: ChatHandler,
    feedback: FeedbackHandler,
    models: ModelsHandler,
    providers: ProvidersHandler,
    health: HealthHandler,
    metrics: Handler,
) -> None:
    """Everything that is served."""
    routes: list[tuple[str, str, Handler]] = [
        ("POST", "/v1/chat/completions", chat.answer),
        ("POST", "/v1/route", chat.route),
        ("POST", "/v1/feedback", feedback.take),
        ("GET", "/v1/models", models.list_all),
        ("GET", "/v1/models/{name:path}", models.get),
        ("GET", "/v1/providers", providers.list_all),
        ("GET", "/health", health.health),
        ("GET", "/ready", health.ready),
        ("GET", "/metrics", metrics),
        ("GET", "/", health.greeting),  # and HEAD, which GET always brings along
    ]
    for method, path, handler in routes:
        # The raw form: a handler reads bytes and writes bytes, so FastAPI's own reading of
        # parameters would cost each request a tenth of its time for nothing.
        app.add_route(path, handler, methods=[method])
