"""Every error as an HTTP reply in the dialect's shape, with the headers that clients obey."""

from __future__ import annotations

import logging
import math

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models.errors import (
    HeadstartError,
    InternalError,
    ProviderError,
    RequestError,
    UnknownPath,
    WrongMethod,
)
from serving.dialects.base import Dialect

_log = logging.getLogger(__name__)

_RETRY_AFTER = 5.0  # seconds, where no provider said: as long as a breaker rests at first
_INSIDE = "Headstart failed inside while answering; its log has the details."


def error_response(error: HeadstartError, dialect: Dialect) -> Response:
    """The reply for an error that came before the first byte."""
    # The OpenAI and Anthropic SDKs let this header overrule their own table of statuses.
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    said = error.retry_after if isinstance(error, ProviderError) else None
    if said is not None or error.retryable:
        # Agents ask again six to thirty times: without a date they do it at once.
        seconds = _RETRY_AFTER if said is None else said
        headers["retry-after"] = str(max(1, math.ceil(seconds)))
    return Response(
        dialect.error(error),
        status_code=error.status,
        headers=headers,
        media_type="application/json",
    )


def install_error_handlers(app: FastAPI, dialect: Dialect) -> None:
    """Make the framework's own errors, and ours, look like the dialect's."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, HeadstartError)
        return error_response(error, dialect)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reply = error_response(_from_framework(error, request), dialect)
        reply.headers.update(error.headers or {})
        return reply

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    async def unforeseen(request: Request, error: Exception) -> Response:
        return error_response(InternalError(_INSIDE), dialect)  # the server logs the traceback

    app.add_exception_handler(HeadstartError, ours)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unforeseen)


def internal_error() -> InternalError:
    """Log the exception being handled, and give the error that a client may see."""
    _log.exception("a request failed inside")
    return InternalError(_INSIDE)


def _from_framework(error: HTTPException, request: Request) -> HeadstartError:
    path = request.url.path
    if error.status_code == WrongMethod.status:
        allowed = (error.headers or {}).get("Allow", "another method")
        return WrongMethod(f"{path} does not take {request.method}: use {allowed}.")
    if error.status_code == UnknownPath.status:
        return UnknownPath(f"Nothing is served at {path}. /v1/models lists what can be asked.")
    return RequestError(str(error.detail))
