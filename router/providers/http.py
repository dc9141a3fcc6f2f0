"""One upstream over HTTP: a wire format, an address, a key, and the events of its replies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeAlias, cast

import httpx

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import BadReply, ConfigError, ProviderError, StreamBroken
from models.redact import HIDDEN, redact
from models.stream import Alive, Failed, Finished, StreamEvent
from router.deadline import Deadlines
from router.providers.base import Decoder, WireFormat
from router.providers.transport import TRANSPORT_ERRORS, open_client, transport_error
from router.providers.waits import lowered, used_up

# Told of a target of whose allowance nothing remains: its name, for how many seconds, which header.
LimitHook: TypeAlias = Callable[[str, float, str], None]

_PIECE = 256 * 1024  # a larger body in one piece would hold up every other stream
_MAX_BODY = 64 * 1024 * 1024
_MAX_ERROR_BODY = 1024 * 1024
_DRAIN = 0.05  # seconds for the last bytes of a finished reply, so that the connection is reusable


class HttpProvider:
    """A `Provider` over one HTTP client. It never retries: that is the dispatcher's decision."""

    def __init__(
        self,
        name: str,
        wire: WireFormat,
        *,
        base_url: str,
        api_key: str = "",
        headers: Mapping[str, str] | None = None,
        connect: float = Deadlines().connect,
        grace: float = Deadlines().grace,
        uds: str = "",
        client: httpx.AsyncClient | None = None,
        limited: LimitHook | None = None,
    ) -> None:
        """`uds` reaches a local engine by its unix socket; `base_url` then only gives the path.

        `headers` go out with every request and win over the wire format's own. `connect` and
        `grace`: see Deadlines.
        """
        url = _checked_url(name, base_url)
        self._name = name
        self._wire = wire
        self._base_url = base_url.rstrip("/")
        self._key = _checked_key(name, api_key)
        self._grace = grace
        self._headers = {**wire.auth_headers(self._key), **(headers or {})}
        self._client = client or open_client(url, connect=connect, uds=uds)
        self._limited = limited

    @property
    def name(self) -> str:
        """The name that configuration and errors use."""
        return self._name

    async def stream(
        self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """The events of each read, as `Provider.stream` promises.

        `streaming=False` asks for the whole reply at once and gives the same events.
        """
        wire = self._wire.encode(request, card, stream=streaming)
        decoder: Decoder | None = None
        over = False
        try:
            async with self._client.stream(
                "POST",
                self._base_url + wire.path,
                content=wire.body if len(wire.body) <= _PIECE else _in_pieces(wire.body),
                headers={
                    **wire.headers,
                    **self._headers,
                    "content-length": str(len(wire.body)),
                },
            ) as response:
                self._note_limits(response, card)
                decoder = self._decoder(response, streaming)
                async with aclosing(_within(self._grace, _reads(response), decoder)) as reads:
                    async for data in reads:
                        if events := decoder.feed(data):
                            over = isinstance(events[-1], Finished | Failed)
                            yield self._signed(events)
                            if over:
                                await _drain(reads)
                                return
                events = decoder.close()
        except TRANSPORT_ERRORS as error:
            if over:
                return
            events = self._broken(error, decoder)
        yield self._signed(events)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._client.aclose()

    def _note_limits(self, response: httpx.Response, card: ModelCard) -> None:
        """Pass on what a good reply says of its allowances; an error says it by itself."""
        if self._limited is None or response.status_code >= 400:
            return
        if used := used_up(lowered(response.headers)):
            self._limited(f"{self._name}/{card.id}", used.seconds, used.header)

    def _decoder(self, response: httpx.Response, streaming: bool) -> Decoder:
        """The reader that fits what came, which is not always what was asked for."""
        status = response.status_code
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if status >= 400:
            return _ErrorBody(self._wire, status, response.headers)
        if status >= 300:
            where = response.headers.get("location", "nowhere")
            return _Refused(
                f"{self._name} redirects to {where}. Set its base_url to the final address.",
                retryable=False,
            )
        if kind == "text/event-stream" or (streaming and not kind):
            return self._wire.decoder()
        if kind == "application/json" or kind.endswith("+json") or not kind:
            return _WholeBody(self._wire)
        return _Refused(f"{self._name} answered with {kind}. Is its base_url right?")

    def _broken(self, error: Exception, decoder: Decoder | None) -> list[StreamEvent]:
        """The events owed when the connection broke: a finish that was seen still counts."""
        if decoder is None:
            return [Failed(transport_error(error, self._name))]
        if isinstance(decoder, _WholeBody):
            return [Failed(StreamBroken(f"The reply broke off: {error}"))]
        return decoder.close()

    def _signed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Name the provider on a failure, and take our key out of what it quotes."""
        last = events[-1]
        if isinstance(last, Failed) and isinstance(last.error, ProviderError):
            error = last.error
            error.provider = self._name
            message = error.message.replace(self._key, HIDDEN) if self._key else error.message
            error.message = redact(message)
            error.args = (error.message,)
        return events


class _WholeBody:
    """Collects a reply that is not a stream. White space before it is a keep-alive."""

    answered = False

    def __init__(self, wire: WireFormat) -> None:
        self._wire = wire
        self._body = bytearray()

    def feed(self, data: bytes) -> list[StreamEvent]:
        self._body += data
        if len(self._body) > _MAX_BODY:
            return [Failed(BadReply(f"The reply is larger than {_MAX_BODY} bytes."))]
        return [Alive()]

    def close(self) -> list[StreamEvent]:
        return self._wire.decode_body(bytes(self._body))


class _ErrorBody:
    """Collects the body of an HTTP error, as much of it as can matter."""

    answered = False

    def __init__(self, wire: WireFormat, status: int, headers: Mapping[str, str]) -> None:
        self._wire = wire
        self._status = status
        self._headers = headers
        self._body = bytearray()

    def feed(self, data: bytes) -> list[StreamEvent]:
        self._body += data
        return self.close() if len(self._body) > _MAX_ERROR_BODY else []

    def close(self) -> list[StreamEvent]:
        error = self._wire.decode_error(self._status, self._headers, bytes(self._body))
        return [Failed(error)]


class _Refused:
    """A reply that is not read at all."""

    answered = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        self._error = BadReply(message, retryable=retryable)

    def feed(self, data: bytes) -> list[StreamEvent]:
        del data
        return [Failed(self._error)]

    def close(self) -> list[StreamEvent]:
        return [Failed(self._error)]


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _reads(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", response.aiter_bytes())


async def _within(
    grace: float, reads: AsyncGenerator[bytes, None], decoder: Decoder
) -> AsyncGenerator[bytes, None]:
    """The reads until the reply ends, or for so long after its finish reason.

    Some hosts then send neither an end mark nor the end of the stream.
    """
    clock = asyncio.get_running_loop().time
    until: float | None = None
    async with aclosing(reads):
        while True:
            until = (until or clock() + grace) if decoder.answered else None
            data = await (anext(reads, None) if until is None else _next_until(until, reads))
            if data is None:
                return
            yield data


async def _next_until(moment: float, reads: AsyncIterator[bytes]) -> bytes | None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(moment):
            return await anext(reads, None)
    return None


async def _drain(reads: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, *TRANSPORT_ERRORS):
        async with asyncio.timeout(_DRAIN):
            async for _ in reads:
                pass


def _checked_url(name: str, base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ConfigError(f"base_url of provider {name} is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"base_url of provider {name} must begin with http:// or https://")
    return url


def _checked_key(name: str, key: str) -> str:
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"The key of provider {name} has characters that no HTTP header can hold."
        )
    return key
