"""Who may call: client keys, what is allowed without any, and pages of which sites."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from models.chat import ChatRequest, Merge
from models.errors import AuthenticationError, ConfigError, ForeignOrigin, HeadstartError
from serving.dialects.base import Dialect
from serving.errors import error_response

OPEN_PATHS: Final = frozenset({"/", "/health", "/ready"})
_CLIENT: Final = "headstart.client"
_FOR_PAGES: Final = (  # reply headers that a page's own code may read
    *(f"x-headstart-{name}" for name in ("id", "route", "task", "because")),
    "retry-after",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """What a client shows, and how its answers merge where a request does not say."""

    key: str = field(repr=False)
    merge: Merge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who calls; without keys nobody in particular."""

    name: str = ""
    merge: Merge | None = None


class ClientAuth:
    """ASGI middleware around everything, so that a new route cannot forget it.

    With keys, a caller must show one. Without keys only this machine can reach us (see
    `refuse_exposure`); then a web page of another site is still kept out, since a browser would
    let it spend the operator's money.
    """

    def __init__(self, app: ASGIApp, keys: Mapping[str, ClientKey], dialect: Dialect) -> None:
        """`keys` maps a client's name to its key."""
        self._app = app
        self._keys = [
            (entry.key.encode(), Client(name=name, merge=entry.merge))
            for name, entry in keys.items()
        ]
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through as its client's, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                scope[_CLIENT] = self._client(Headers(scope=scope))
            except HeadstartError as error:
                await error_response(error, self._dialect)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _client(self, headers: Headers) -> Client:
        if not self._keys:
            _refuse_foreign_page(headers.get("origin", ""))
            return Client()
        shown = _shown_key(headers)
        if not shown:
            raise AuthenticationError(
                "A client key is needed: send `Authorization: Bearer …` or `x-api-key`."
            )
        # Every key is compared, so that the time taken says nothing about any of them.
        matches = [who for key, who in self._keys if hmac.compare_digest(key, shown.encode())]
        if not matches:
            raise AuthenticationError("This client key is not known here.")
        return matches[0]


class PageAccess(CORSMiddleware):
    """Tells browsers that pages may read our replies: those that `ClientAuth` lets call.

    A page with a client key may be anybody's: no browser sends that key by itself.
    """

    def __init__(self, app: ASGIApp, *, keyed: bool) -> None:
        """`keyed`: callers must show a key."""
        super().__init__(app, allow_methods="*", allow_headers="*", expose_headers=_FOR_PAGES)
        self._keyed = keyed

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Programs send no origin: each write of their replies is spared the detour."""
        from_page = scope["type"] == "http" and "origin" in Headers(scope=scope)
        await (super().__call__ if from_page else self.app)(scope, receive, send)

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of this site may call."""
        return self._keyed or _is_local_page(origin)


def client_name(request: Request) -> str:
    """The name of the client key that the caller showed; empty without keys."""
    return _client(request).name


def as_its_client_wants(request: Request, asked: ChatRequest) -> ChatRequest:
    """The question, completed by the caller's key where it does not say how answers merge."""
    merge = _client(request).merge
    if merge is None or asked.headstart.merge is not None:
        return asked
    return replace(asked, headstart=replace(asked.headstart, merge=merge))


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


def _client(request: Request) -> Client:
    return request.scope.get(_CLIENT, Client())


def _shown_key(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or headers.get("x-api-key", "")


def _refuse_foreign_page(origin: str) -> None:
    if origin and not _is_local_page(origin):
        raise ForeignOrigin(
            f"Pages of {origin} may not call this server: it has no client keys. Set one under "
            "[server.client_keys] and send it."
        )


def _is_local_page(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:  # no address at all
        return False
