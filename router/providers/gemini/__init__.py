"""Google Gemini: `generateContent` and its stream."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError
from models.stream import StreamEvent
from router.providers.base import WireRequest
from router.providers.gemini.decode import GeminiDecoder, decode_body, decode_error
from router.providers.gemini.encode import encode_body

__all__ = ["GeminiFormat"]


class GeminiFormat:
    """The wire format of the Gemini API, version v1beta."""

    name = "gemini"

    def auth_headers(self, api_key: str) -> dict[str, str]:
        """Google's own header: keys stay out of URLs."""
        return {"x-goog-api-key": api_key}

    def encode(self, request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
        """The request in Gemini's words; `encode.py` says what is left out."""
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body = msgspec.json.encode(encode_body(request, card))
        path = f"/v1beta/models/{quote(card.id, safe='')}:{method}"
        return WireRequest(path, body, {"content-type": "application/json"})

    def decoder(self) -> GeminiDecoder:
        """A fresh reader for one streamed reply."""
        return GeminiDecoder()

    def decode_body(self, body: bytes) -> list[StreamEvent]:
        """A whole reply as the events that a stream would have given."""
        return decode_body(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error of a non-200 reply."""
        return decode_error(status, headers, body)
