"""Anthropic Messages: Claude, and every host that copies its API."""

from __future__ import annotations

from collections.abc import Mapping

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError
from models.stream import StreamEvent
from router.providers.anthropic.decode import AnthropicDecoder, decode_body, decode_error
from router.providers.anthropic.encode import encode_request
from router.providers.base import WireRequest

__all__ = ["AnthropicFormat"]


class AnthropicFormat:
    """The wire format of `POST /v1/messages`."""

    name = "anthropic"

    def auth_headers(self, api_key: str) -> dict[str, str]:
        """Anthropic's own header for the key."""
        return {"x-api-key": api_key}

    def encode(self, request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
        """The request in Anthropic's words; `encode.py` says what is left out."""
        return encode_request(request, card, stream=stream)

    def decoder(self) -> AnthropicDecoder:
        """A fresh reader for one streamed reply."""
        return AnthropicDecoder()

    def decode_body(self, body: bytes) -> list[StreamEvent]:
        """A whole reply as the events that a stream would have given."""
        return decode_body(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error of a non-200 reply."""
        return decode_error(status, headers, body)
