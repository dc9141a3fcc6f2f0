"""The HTTP client under every provider, and what its exceptions mean."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from models.errors import BadReply, ConnectionFailed, ProviderError, ProviderTimeout

# Idle connections are worth keeping: opening one costs a hosted model's first token two or three
# round trips. Concurrency is limited by the router, not by a queue inside the client.
_KEEP_ALIVE = 60.0

_HEADERS = {
    "user-agent": "headstart",
    # Compressed streams arrive late: the sender's compressor waits for more.
    "accept-encoding": "identity",
}


class _Reply(aiohttp.ClientResponse):
    """A reply that takes its connection down when it is left before its end.

    aiohttp closes politely: what is still to be sent goes out first, and TLS waits for the peer's
    goodbye. A provider would go on generating, and billing, for so long.
    """

    @override
    def close(self) -> None:
        self._abort()
        super().close()

    @override
    def release(self) -> Any:
        self._abort()
        return super().release()

    def _abort(self) -> None:
        connection = self.connection  # None once the last byte of the reply was seen
        if connection is not None and connection.transport is not None:
            connection.transport.abort()


def open_client(url: httpx.URL, *, connect: float, uds: str = "") -> httpx.AsyncClient:
    """A client for one host, without redirects and without a read timeout: the relay rules that.

    `connect` seconds for DNS, TCP and TLS together. `uds`: a unix socket to connect to instead.
    """

    def session() -> aiohttp.ClientSession:
        connector = (
            aiohttp.UnixConnector(uds, limit=0, keepalive_timeout=_KEEP_ALIVE)
            if uds
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ssl=_tls())
        )
        return aiohttp.ClientSession(
            connector=connector,
            response_class=_Reply,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=None if uds else _proxy_of(url),
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(client=session),  # httpx.AsyncHTTPTransport() is httpx's own
        timeout=httpx.Timeout(None, connect=connect, pool=connect),
        headers=_HEADERS,
    )


@cache
def _tls() -> ssl.SSLContext:
    """One for all: reading the certificates takes some 30 ms."""
    return httpx.create_ssl_context()


def _proxy_of(url: httpx.URL) -> str | None:
    """The proxy that the environment names for this host; this machine's engines need none."""
    if url.host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


# Everything that an exchange can raise, whichever transport is in use. aiohttp's own classes come
# through where its adapter has no httpx class for them.
TRANSPORT_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    aiohttp.ClientError,
    OSError,
)

_UNUSABLE = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
_NOT_HTTP = (httpx.DecodingError, httpx.TooManyRedirects, aiohttp.ClientResponseError)


def transport_error(error: Exception, provider: str) -> ProviderError:
    """The error of an exchange that broke before a reply began."""
    # The adapter calls a refused connection a timeout, but the cause knows better.
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    detail = str(cause) or type(cause).__name__
    if isinstance(cause, _UNUSABLE):
        return ConnectionFailed(f"Cannot ask {provider}: {detail}", retryable=False)
    if isinstance(cause, _NOT_HTTP):
        return BadReply(f"{provider} does not speak HTTP as expected: {detail}")
    if isinstance(cause, TimeoutError | httpx.TimeoutException):
        return ProviderTimeout(f"No connection to {provider} in time: {detail}")
    return ConnectionFailed(f"No connection to {provider}: {detail}")
