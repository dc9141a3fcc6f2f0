"""Who may call: client keys, and what is allowed without any."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from models.errors import AuthenticationError, ConfigError, ForeignOrigin, HeadstartError
from serving.dialects.base import Dialect
from serving.errors import error_response

OPEN_PATHS: Final = frozenset({"/", "/health", "/ready"})
_CLIENT: Final = "headstart.client"


class ClientAuth:
    """ASGI middleware around everything, so that a new route cannot forget it.

    With keys, a caller must show one. Without keys only this machine can reach us (see
    `refuse_exposure`); then a web page of another site is still kept out, since a browser would
    let it spend the operator's money.
    """

    def __init__(self, app: ASGIApp, keys: Mapping[str, str], dialect: Dialect) -> None:
        """`keys` maps a client's name to its key."""
        self._app = app
        self._keys = {name: key.encode() for name, key in keys.items()}
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its client's name, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                scope[_CLIENT] = self._client(Headers(scope=scope))
            except HeadstartError as error:
                await error_response(error, self._dialect)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _client(self, headers: Headers) -> str:
        if not self._keys:
            _refuse_foreign_page(headers.get("origin", ""))
            return ""
        shown = _shown_key(headers)
        if not shown:
            raise AuthenticationError(
                "A client key is needed: send `Authorization: Bearer …` or `x-api-key`."
            )
        # Every key is compared, so that the time taken says nothing about any of them.
        matches = [n for n, key in self._keys.items() if hmac.compare_digest(key, shown.encode())]
        if not matches:
            raise AuthenticationError("This client key is not known here.")
        return matches[0]


def client_name(request: Request) -> str:
    """The name of the client key that the caller showed; empty without keys."""
    return request.scope.get(_CLIENT, "")


def refuse_exposure(host: str, keys: Mapping[str, object]) -> None:
    """Refuse to listen beyond this machine without client keys."""
    if keys or is_loopback(host):
        return
    raise ConfigError(
        f"Refusing to listen on {host} without client keys: anyone who reaches it could spend your "
        'money. Add one to headstart.toml, `[server.client_keys]` then `laptop = "…"`, '
        "or listen on 127.0.0.1."
    )


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine can reach."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shown_key(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or headers.get("x-api-key", "")


def _refuse_foreign_page(origin: str) -> None:
    host = urlsplit(origin).hostname or ""
    if origin and not is_loopback(host):
        raise ForeignOrigin(
            f"Pages of {origin} may not call this server: it has no client keys. Set one under "
            "[server.client_keys] and send it."
        )
