"""The HTTP client under every provider, and what its exceptions mean."""

from __future__ import annotations

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient

from models.errors import BadReply, ConnectionFailed, ProviderError, ProviderTimeout

# Concurrency is limited by the router, not by a queue inside the client; an idle connection is
# worth keeping, since opening one costs a hosted model's first token two or three round trips.
_LIMITS = httpx.Limits(max_connections=65_536, max_keepalive_connections=256, keepalive_expiry=60)

_HEADERS = {
    "user-agent": "headstart",
    # Compressed streams arrive late: the sender's compressor waits for more.
    "accept-encoding": "identity",
}


def open_client(*, connect: float, uds: str = "", local: bool = False) -> httpx.AsyncClient:
    """A client without redirects and without a read timeout: the relay's deadlines rule.

    `connect` seconds for DNS, TCP and TLS together. `uds`: a unix socket to connect to whatever the
    URL says. `local`: proxies from the environment are not for this machine's own engines.
    """
    # `httpx.AsyncClient` and `httpx.AsyncHTTPTransport` take the same arguments.
    return HttpxAiohttpClient(
        transport=AiohttpTransport(uds=uds, limits=_LIMITS) if uds else None,
        limits=_LIMITS,
        timeout=httpx.Timeout(None, connect=connect, pool=connect),
        trust_env=not (local or uds),
        headers=_HEADERS,
    )


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
