"""The chat/completions dialect as a `WireFormat`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError
from models.stream import StreamEvent
from router.providers.base import Decoder, WireRequest
from router.providers.openai.decode import OpenAIDecoder
from router.providers.openai.encode import encode_request
from router.providers.openai.errors import error_from_body
from router.providers.openai.quirks import COMMON, Quirks


@dataclass(frozen=True, slots=True)
class OpenAIFormat:
    """`dialect = "openai"`, with one host's quirks."""

    quirks: Quirks = COMMON

    @property
    def name(self) -> str:
        """The dialect's name."""
        return "openai"

    def auth_headers(self, api_key: str) -> dict[str, str]:
        """The key as a bearer token, or bare in the header that the host wants; none without one."""
        if not api_key:
            return {}
        header = self.quirks.key_header
        return {header: f"Bearer {api_key}" if header == "authorization" else api_key}

    def encode(self, request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
        """The request as this host wants it."""
        return encode_request(request, card, self.quirks, stream=stream)

    def decoder(self) -> Decoder:
        """A reader for one streamed reply."""
        return OpenAIDecoder()

    def decode_body(self, body: bytes) -> list[StreamEvent]:
        """The events of a reply that is not a stream."""
        return OpenAIDecoder().whole(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error of a reply that is one by its status."""
        return error_from_body(status, headers, body)
