"""What every upstream looks like to the rest of the router, and what a wire format must provide."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError
from models.stream import StreamEvent


class Provider(Protocol):
    """One upstream account: an API key and a base URL, or a local engine."""

    @property
    def name(self) -> str:
        """The name that configuration and errors use (`anthropic`, `fast`)."""
        ...

    def stream(
        self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """Ask, and yield the events of each network read as one batch.

        `streaming=False` asks for the reply in one piece; the events are the same.
        The request goes out at the first iteration. Never raises a `ProviderError`: the last
        event of the last batch is exactly one of `Finished` or `Failed`. Closing the generator
        closes the upstream connection at once, which makes the provider stop generating.
        """
        ...

    async def aclose(self) -> None:
        """Close idle connections."""
        ...


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP request, ready to send. `path` is appended to the provider's base URL."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Decoder(Protocol):
    """Reads one streamed reply. Bytes may be cut anywhere, also inside a UTF-8 character.

    Once a `Finished` or `Failed` was returned, later bytes yield nothing.
    """

    @property
    def answered(self) -> bool:
        """True once the finish reason came: all that may follow is usage and the end mark."""
        ...

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events that these bytes complete."""
        ...

    def close(self) -> list[StreamEvent]:
        """The connection ended: the events still owed. A reply cut short gives `Failed`."""
        ...


class WireFormat(Protocol):
    """One provider dialect, without I/O: `anthropic`, `gemini`, `openai`, `responses`."""

    @property
    def name(self) -> str:
        """The dialect's name, as `dialect = "…"` in configuration."""
        ...

    def auth_headers(self, api_key: str) -> dict[str, str]:
        """Headers that carry the key."""
        ...

    def encode(self, request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
        """The request in this provider's words. Options it cannot take are left out by the card.

        `request.prefill` non-empty: the reply must go on after that text; only called with it
        when `card.abilities.prefill` is not "none".
        """
        ...

    def decoder(self) -> Decoder:
        """A fresh reader for one streamed reply."""
        ...

    def decode_body(self, body: bytes) -> list[StreamEvent]:
        """A whole non-streamed reply as the same events; errors inside a 200 give `Failed`."""
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error of a non-200 reply (`provider` is filled in by the caller)."""
        ...
