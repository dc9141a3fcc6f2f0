"""HttpProvider when connections fail: every exception becomes an error of ours, without a secret."""

from __future__ import annotations

import inspect
import socket

import aiohttp
import httpx
import pytest

from models.errors import (
    BadReply,
    ConfigError,
    ConnectionFailed,
    ProviderAuthError,
    ProviderTimeout,
    StreamBroken,
)
from models.stream import Finished
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from router.providers.transport import TRANSPORT_ERRORS
from tests.fakes.wire import Drop, Hold, Send
from tests.router.providers.upstream import (
    END,
    FINISH,
    HELLO,
    KEY,
    Scripted,
    ask,
    ask_for,
    body,
    failure,
    head,
    text,
)

pytestmark = pytest.mark.anyio


async def test_a_redirect_is_not_followed() -> None:
    events = await ask_for(head(301, "", "location: https://elsewhere.example/v2"), END)
    error = failure(events)
    assert isinstance(error, BadReply)
    assert not error.retryable
    assert "https://elsewhere.example/v2" in error.message


async def test_an_error_carries_the_provider_and_never_the_key() -> None:
    answer = b'{"error":{"message":"Incorrect API key provided: %s","code":"invalid_api_key"}}'
    events = await ask_for(head(401, "application/json"), body(answer % KEY.encode()), END)
    error = failure(events)
    assert isinstance(error, ProviderAuthError)
    assert error.provider == error.origin == "host"
    assert "Incorrect API key provided" in error.message
    assert KEY not in error.message
    assert KEY not in str(error)


async def test_a_huge_error_page_is_not_read_to_its_end() -> None:
    page = b"<html>" + b"x" * (2 * 1024 * 1024)
    events = await ask_for(head(502, "text/html"), body(page), Hold())
    assert failure(events).upstream_status == 502


async def test_a_refused_connection() -> None:
    async with Scripted() as server:
        port = server.port
    upstream = HttpProvider("host", OpenAIFormat(), base_url=f"http://127.0.0.1:{port}/v1")
    assert isinstance(failure(await ask(upstream)), ConnectionFailed)


async def test_no_connection_in_time() -> None:
    """A listener whose backlog is full: the kernel drops further SYNs, so connecting hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            upstream = HttpProvider(
                "host", OpenAIFormat(), base_url=f"http://127.0.0.1:{port}", connect=0.05
            )
            error = failure(await ask(upstream))
        finally:
            for sock in waiting:
                sock.close()
    assert isinstance(error, ProviderTimeout)
    assert error.retryable


async def test_the_server_hangs_up_without_a_word() -> None:
    assert isinstance(failure(await ask_for(Drop())), ConnectionFailed)


async def test_something_that_does_not_speak_http() -> None:
    error = failure(await ask_for(Send(b"220 mail.example ESMTP ready\r\n\r\n"), Drop()))
    assert isinstance(error, BadReply | ConnectionFailed)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_stream_that_breaks_keeps_what_came_before(reset: bool) -> None:
    events = await ask_for(head(), body(HELLO), Drop(reset=reset))
    assert isinstance(failure(events), StreamBroken)
    if not reset:  # a reset may discard what the kernel had not handed over
        assert text(events) == "Hello"


async def test_a_connection_that_breaks_after_the_finish_reason_loses_nothing() -> None:
    events = await ask_for(head(), body(HELLO + FINISH), Drop())
    assert events[-1] == Finished("stop", "stop")


async def test_a_whole_reply_that_breaks_off() -> None:
    events = await ask_for(head(kind="application/json"), body(b'{"id":"x",'), Drop())
    assert isinstance(failure(events), StreamBroken)


def _subclasses(root: type[Exception]) -> set[type[Exception]]:
    return {root}.union(*(_subclasses(sub) for sub in root.__subclasses__()))


HTTPX_ERRORS = sorted(
    {
        error
        for root in (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
        for error in _subclasses(root)
        if error.__module__ == "httpx"
    },
    key=lambda error: error.__name__,
)


def test_no_exception_of_httpx_is_forgotten() -> None:
    exported = {
        value
        for value in vars(httpx).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert exported <= set(HTTPX_ERRORS)
    assert len(HTTPX_ERRORS) > 25


@pytest.mark.parametrize("error", HTTPX_ERRORS, ids=lambda error: error.__name__)
async def test_every_exception_of_httpx_becomes_one_of_ours(error: type[Exception]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if error is httpx.HTTPStatusError:
            raise httpx.HTTPStatusError("no", request=request, response=httpx.Response(500))
        takes_words = "message" in inspect.signature(error).parameters
        raise error("no") if takes_words else error()

    upstream = HttpProvider(
        "host",
        OpenAIFormat(),
        base_url="http://127.0.0.1:1",
        client=httpx.AsyncClient(transport=httpx.MockTransport(fail)),
    )
    assert failure(await ask(upstream)).provider == "host"


def test_no_exception_of_aiohttp_passes_through() -> None:
    for error in _subclasses(aiohttp.ClientError):
        assert issubclass(error, TRANSPORT_ERRORS)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("api.example.com/v1", ""),
        ("ftp://host/v1", ""),
        ("http://[::1", ""),
        ("http://host/v1", "with\nnewline"),
        ("http://host/v1", "schlüssel"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_quoting_the_key(url: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        HttpProvider("host", OpenAIFormat(), base_url=url, api_key=key)
    assert "host" in refused.value.message
    assert not key or key not in refused.value.message
