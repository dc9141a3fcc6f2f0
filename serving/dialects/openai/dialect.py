"""Chat completions as one `Dialect`: how the edge reaches parse and render."""

from __future__ import annotations

from dataclasses import dataclass

from models.chat import ChatRequest
from models.errors import HeadstartError
from router.outcome import Outcome
from serving.dialects.base import BodyRenderer, StreamRenderer
from serving.dialects.encoding import encode
from serving.dialects.openai.body import CompletionRenderer
from serving.dialects.openai.objects import error_object
from serving.dialects.openai.parse import parse
from serving.dialects.openai.render import ChunkRenderer


@dataclass(frozen=True, slots=True)
class ChatCompletionRequest:
    """A parsed request; `legacy` replies with `function_call` in place of `tool_calls`."""

    request: ChatRequest
    legacy: bool

    def stream_renderer(self, outcome: Outcome) -> StreamRenderer:
        """Chunks."""
        return ChunkRenderer(self.request, outcome, legacy=self.legacy)

    def body_renderer(self, outcome: Outcome) -> BodyRenderer:
        """One body."""
        return CompletionRenderer(self.request, outcome, legacy=self.legacy)


class ChatCompletions:
    """`POST /v1/chat/completions`."""

    name: str = "openai-chat"

    def parse(self, body: bytes) -> ChatCompletionRequest:
        """Read a body."""
        parsed = parse(body)
        return ChatCompletionRequest(parsed.request, parsed.legacy_functions)

    def error(self, error: HeadstartError) -> bytes:
        """OpenAI's error body."""
        return encode({"error": error_object(error)})
