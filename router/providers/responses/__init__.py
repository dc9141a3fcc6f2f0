"""OpenAI's Responses dialect as an upstream: OpenAI, Azure, and the hosts that copy it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ProviderError
from models.stream import StreamEvent
from router.providers.base import Decoder, WireRequest
from router.providers.openai.errors import error_from_body
from router.providers.responses.decode import ResponsesDecoder
from router.providers.responses.encode import encode_request

__all__ = ["ResponsesFormat"]


@dataclass(frozen=True, slots=True)
class ResponsesFormat:
    """`dialect = "responses"`. Nothing is stored at the provider: each request is whole."""

    @property
    def name(self) -> str:
        """The dialect's name."""
        return "responses"

    def auth_headers(self, api_key: str) -> dict[str, str]:
        """The key as a bearer token; none without one."""
        return {"authorization": f"Bearer {api_key}"} if api_key else {}

    def encode(self, request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
        """The request in the words of `POST /responses`."""
        return encode_request(request, card, stream=stream)

    def decoder(self) -> Decoder:
        """A reader for one streamed reply."""
        return ResponsesDecoder()

    def decode_body(self, body: bytes) -> list[StreamEvent]:
        """The events of a reply that is not a stream."""
        return ResponsesDecoder().whole(body)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """The error of a reply that is one by its status."""
        return error_from_body(status, headers, body)
