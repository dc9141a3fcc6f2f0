"""Reads chat/completions replies, streamed or whole, into events. Also legacy completions."""

from __future__ import annotations

from typing import Any

import msgspec

from models.chat import Json, Opaque
from models.errors import (
    BadReply,
    Overloaded,
    ProviderError,
    ProviderServerError,
    StreamBroken,
)
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    UsageReported,
)
from router.providers.arguments import UNREADABLE
from router.providers.openai.errors import describes_error, error_from_payload
from router.providers.openai.reasoning import ReasoningObjects, text_of
from router.providers.openai.thinktags import ThinkTags
from router.providers.openai.wire import (
    Choice,
    Chunk,
    ContentPart,
    Delta,
    Function,
    Logprobs,
    ToolCallDelta,
    decode_chunk,
    logprobs_of,
    usage_of,
)
from router.providers.sse import ServerSentEvent, SseReader
from router.providers.toolcalls import ToolCalls

# Any other word is a host's own for an ordinary end.
_FINISH: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
_FAILURES: dict[str, type[ProviderError]] = {
    "error": ProviderServerError,  # Mistral, OpenRouter
    "abort": ProviderServerError,  # vLLM: the engine dropped the request
    "insufficient_system_resource": Overloaded,  # DeepSeek
}


class OpenAIDecoder:
    """One reply. `Finished` waits for the usage, which comes after the finish reason."""

    __slots__ = (
        "_calls",
        "_ended",
        "_finish",
        "_last_key",
        "_objects",
        "_reader",
        "_started",
        "_tags",
    )

    def __init__(self) -> None:
        """A fresh reader."""
        self._reader = SseReader()
        self._started = False
        self._ended = False
        self._finish = ""
        self._calls = ToolCalls()
        self._last_key: object = None
        self._objects = ReasoningObjects()
        self._tags = ThinkTags()

    @property
    def answered(self) -> bool:
        """True once the finish reason came."""
        return self._finish != ""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events that these bytes complete."""
        out: list[StreamEvent] = []
        if self._ended:
            return out
        comments = self._reader.comments
        try:
            events = self._reader.feed(data)
        except BadReply as error:
            self._fail(error, out)
            return out
        for event in events:
            try:
                chunk = decode_chunk(event.data)
            except UNREADABLE:
                self._other_data(event, out)
            else:
                self._chunk(chunk, event, out)
            if self._ended:
                return out
        if not out and (events or self._reader.comments > comments):
            out.append(Alive())
        return out

    def close(self) -> list[StreamEvent]:
        """The connection ended. A finish reason without `[DONE]` is a whole reply."""
        out: list[StreamEvent] = []
        if self._ended:
            return out
        for event in self._reader.close():
            try:
                chunk = decode_chunk(event.data)
            except UNREADABLE:
                if event.data.strip() == b"[DONE]":
                    self._end(out)
            else:
                self._chunk(chunk, event, out)
        if not self._ended:
            if self._finish:
                self._end(out)
            else:
                self._fail(StreamBroken("The stream ended without a finish reason."), out)
        return out

    def whole(self, body: bytes) -> list[StreamEvent]:
        """A reply that is not a stream. White space before it is a keep-alive."""
        out: list[StreamEvent] = []
        try:
            chunk = decode_chunk(body)
            payload: Json = None if chunk.choices else msgspec.json.decode(body)
        except UNREADABLE:
            self._fail(BadReply("The reply is not a chat completion."), out)
            return out
        self._chunk(chunk, None, out)
        if not self._ended and payload is not None and describes_error(payload):
            self._error(payload, out)
        if not self._ended:
            self._end(out)
        return out

    def _chunk(self, chunk: Chunk, event: ServerSentEvent | None, out: list[StreamEvent]) -> None:
        if chunk.choices:
            if not self._started:
                self._started = True
                out.append(Started("" if chunk.id is None else str(chunk.id), chunk.model or ""))
            for choice in chunk.choices:
                if not choice.index:  # one answer is asked for; others would mix into it
                    self._choice(choice, out)
        if chunk.usage is not None:
            out.append(UsageReported(usage_of(chunk.usage)))
        elif chunk.x_groq is not None and chunk.x_groq.usage is not None:
            out.append(UsageReported(usage_of(chunk.x_groq.usage)))
        if chunk.error is not None:
            self._error({"error": chunk.error}, out)
        elif chunk.choices is None and chunk.usage is None and event is not None:
            self._without_choices(event, out)

    def _choice(self, choice: Choice, out: list[StreamEvent]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._delta(delta, choice.logprobs, out)
        elif choice.text:
            out.append(TextDelta(choice.text))
        if choice.finish_reason and not self._finish:
            self._finish = choice.finish_reason
        if choice.usage is not None:
            out.append(UsageReported(usage_of(choice.usage)))

    def _delta(self, delta: Delta, logprobs: Logprobs | None, out: list[StreamEvent]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            out.append(ReasoningDelta(thought))
        if delta.reasoning_details:
            self._reasoning("reasoning_details", delta.reasoning_details, not thought, out)
        if delta.thinking_blocks:
            self._reasoning("thinking_blocks", delta.thinking_blocks, not thought, out)
        content = delta.content
        if content:
            if self._objects:
                self._objects.flush(out)
            if isinstance(content, str):
                self._text(content, logprobs_of(logprobs) if logprobs else (), out)
            else:
                _parts(content, out)
        if delta.refusal:
            out.append(RefusalDelta(delta.refusal))
        if delta.tool_calls:
            self._tool_calls(delta.tool_calls, out)

    def _text(self, text: str, logprobs: tuple[TokenLogprob, ...], out: list[StreamEvent]) -> None:
        if self._tags.open:
            self._tags.feed(text, logprobs, out)
        else:
            out.append(TextDelta(text, logprobs))

    def _reasoning(
        self, kind: str, pieces: list[dict[str, Any]], unheard: bool, out: list[StreamEvent]
    ) -> None:
        if unheard and (text := text_of(pieces)):
            out.append(ReasoningDelta(text))
        self._objects.add(kind, pieces)

    def _tool_calls(self, pieces: list[ToolCallDelta], out: list[StreamEvent]) -> None:
        self._tags.finish(out)
        self._objects.flush(out)
        for piece in pieces:
            key: object = piece.index
            if key is None:
                key = piece.id or self._last_key
            self._last_key = key
            function = piece.function or Function()
            self._calls.open(
                key, out, id=piece.id or "", name=function.name or "", opaque=_opaque(piece)
            )
            arguments = function.arguments
            if isinstance(arguments, dict):
                arguments = msgspec.json.encode(arguments).decode()
            self._calls.add(key, arguments or "", out)

    def _other_data(self, event: ServerSentEvent, out: list[StreamEvent]) -> None:
        """Data that is no chunk: the end mark, a ping, or garbage."""
        data = event.data.strip()
        if data == b"[DONE]":
            self._end(out)
        elif event.event == "error":
            self._error(data.decode("utf-8", "replace"), out)
        elif data and event.event == "message":
            self._fail(BadReply("A data line of the stream is not a chat completion chunk."), out)

    def _without_choices(self, event: ServerSentEvent, out: list[StreamEvent]) -> None:
        """A chunk that is no part of an answer: an error without its usual key, or nothing."""
        payload: Json = msgspec.json.decode(event.data)
        if event.event == "error" or describes_error(payload):
            self._error(payload, out)

    def _error(self, payload: Json, out: list[StreamEvent]) -> None:
        # OpenRouter adds an error to the chunk after a finish reason: the answer is over by then.
        if not self._finish or self._finish in _FAILURES:
            self._fail(error_from_payload(payload), out)

    def _end(self, out: list[StreamEvent]) -> None:
        if not self._started:
            self._fail(BadReply("The reply holds no answer."), out)
            return
        self._tags.finish(out)
        self._objects.flush(out)
        reason = _FINISH.get(self._finish.lower(), "stop")
        failure = _FAILURES.get(self._finish)
        cut = failure is not None or reason in ("length", "content_filter")
        whole = self._calls.finish(out, cut=cut)
        if failure is not None:
            self._fail(failure(f"The provider stopped with `{self._finish}`."), out)
        elif not whole and not cut:
            self._fail(BadReply("The arguments of a tool call are not a JSON object."), out)
        else:
            # Ollama and others say "stop" after a tool call; some say the reverse.
            if reason in ("stop", "tool_calls"):
                reason = "tool_calls" if self._calls else "stop"
            self._ended = True
            out.append(Finished(reason, self._finish))

    def _fail(self, error: ProviderError, out: list[StreamEvent]) -> None:
        self._ended = True
        out.append(Failed(error))


def _parts(content: list[ContentPart], out: list[StreamEvent]) -> None:
    for part in content:
        thinking = part.thinking
        if isinstance(thinking, list):
            thinking = "".join(inner.text or "" for inner in thinking)
        if thinking:
            out.append(ReasoningDelta(thinking))
        elif part.text:
            out.append(TextDelta(part.text))


def _opaque(piece: ToolCallDelta) -> tuple[Opaque, ...]:
    extras = (
        ("extra_content", piece.extra_content),
        ("provider_specific_fields", piece.provider_specific_fields),
    )
    return tuple(Opaque(vendor="openai", kind=kind, value=value) for kind, value in extras if value)
