"""Reads Gemini's replies: the stream (either framing), the whole reply, the error body.

Every chunk has the same shape. The last one has a `finishReason`; nothing else ends a stream well.
`Finished` waits for the end of the connection, because usage and text may still come after a
`finishReason` (old models put one into every chunk).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

from models.chat import Opaque
from models.errors import BadReply, ContentBlocked, ProviderError, StreamBroken
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.providers.arguments import UNREADABLE
from router.providers.failures import classify
from router.providers.gemini import wire
from router.providers.gemini.chunks import ArrayReader, ChunkReader
from router.providers.gemini.partial import PartialArguments

_FINISH: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
}  # everything else (STOP, and what is to come) is a stop

# The model or the service slipped: whether the same request can do better.
_SLIPS = {
    "MALFORMED_FUNCTION_CALL": True,
    "MALFORMED_RESPONSE": True,
    "OTHER": True,
    "UNEXPECTED_TOOL_CALL": False,
    "TOO_MANY_TOOL_CALLS": False,
    "MISSING_THOUGHT_SIGNATURE": False,
}


class GeminiDecoder:
    """Reads one streamed reply."""

    def __init__(self) -> None:
        """Expect the first chunk."""
        self._chunks = ChunkReader()
        self._reply = _Reply()
        self._over = False

    @property
    def answered(self) -> bool:
        """True once a finish reason came that nothing has followed."""
        return self._reply.answered

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events that these bytes complete, or that they came: code at Google runs unseen."""
        if self._over or not data:
            return []
        events: list[StreamEvent] = []
        self._reply.out = events
        try:
            for chunk in self._chunks.feed(data):
                self._reply.take(chunk)
        except ProviderError as error:
            self._over = True
            events.append(Failed(error))
        return events or [Alive()]

    def close(self) -> list[StreamEvent]:
        """The connection ended: well if a `finishReason` was seen."""
        if self._over:
            return []
        self._over = True
        events: list[StreamEvent] = []
        self._reply.out = events
        try:
            for chunk in self._chunks.close():
                if _is_json(chunk):
                    self._reply.take(chunk)
            if not self._reply.finish_reason:
                raise StreamBroken("Gemini's stream ended without a finishReason.")
            self._reply.finish()
        except ProviderError as error:
            events.append(Failed(error))
        return events


def decode_body(body: bytes) -> list[StreamEvent]:
    """A whole reply, or a whole array of chunks, as the events that a stream would have given."""
    if body.lstrip()[:1] == b"[":
        decoder = GeminiDecoder()
        return decoder.feed(body) + decoder.close()
    reply = _Reply()
    try:
        reply.take(body)
        if not reply.finish_reason:
            raise BadReply("Gemini's reply has no answer in it.")
        reply.finish()
    except ProviderError as error:
        reply.out.append(Failed(error))
    return reply.out


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error of a non-200 reply, whose body may come from a proxy and be anything."""
    try:
        error = wire.read_error(_first_of_array(body)).error
    except UNREADABLE:
        error = None
    if error is None:
        text = body.decode("utf-8", "replace").strip()
        error = wire.Error(message="" if text.startswith("<") else text)
    return _error(status, error, headers)


def _first_of_array(body: bytes) -> bytes:
    """Without `alt=sse` an error, too, comes as the first element of an array."""
    return next(iter(ArrayReader().feed(body)), body) if body.lstrip()[:1] == b"[" else body


def _error(status: int, error: wire.Error, headers: Mapping[str, str]) -> ProviderError:
    details = error.details or []
    quotas = [broken.quota_id for detail in details for broken in detail.violations or ()]
    # A day's quota counts before a minute's: it is what waiting cannot mend.
    daily = (quota for quota in quotas if "PerDay" in quota)
    reasons = (detail.reason for detail in details if detail.reason)
    return classify(
        status,
        code=next(daily, None) or next(reasons, ""),
        kind=error.status or "",
        message=error.message or "",
        headers=headers,
        delay=max((_seconds(detail.retry_delay) for detail in details), default=0.0) or None,
    )


def _seconds(duration: str) -> float:
    """A protobuf duration in JSON: `34.4s`."""
    try:
        return float(duration.removesuffix("s"))
    except ValueError:
        return 0.0


def _is_json(data: bytes) -> bool:
    try:
        wire.read_reply(data)
    except UNREADABLE:
        return False
    return True


class _Reply:
    """Turns chunks into our events and remembers what is open. Raises what breaks the reply."""

    def __init__(self) -> None:
        self.out: list[StreamEvent] = []
        self.finish_reason = ""
        self.answered = False  # nothing came after the finish reason
        self._finish_message = ""
        self._started = False
        self._usage: Usage | None = None
        self._call_count = 0
        self._name = ""  # what invented call ids begin with
        self._open: PartialArguments | None = None

    def take(self, data: bytes) -> None:
        """One chunk of the stream, or the whole reply."""
        try:
            chunk = wire.read_reply(data)
        except UNREADABLE as error:
            raise BadReply(f"Gemini's reply cannot be read: {error}") from error
        if chunk.error is not None:
            raise _error(chunk.error.code or 200, chunk.error, {})
        if not self._started:
            self._started = True
            self._name = chunk.response_id or f"{zlib.crc32(data):08x}"
            self.out.append(Started(chunk.response_id, chunk.model_version))
        for candidate in chunk.candidates or ():
            if not candidate.index:  # one answer is asked for; others would mix into it
                self._candidate(candidate)
        if chunk.usage_metadata is not None:
            self._count(chunk.usage_metadata.as_usage())
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason:
            raise ContentBlocked(
                feedback.block_reason_message or "Gemini refuses to answer this prompt.",
                upstream_status=200,
                upstream_code=feedback.block_reason,
            )

    def finish(self) -> None:
        """The reply is complete."""
        raw = self.finish_reason
        if raw in _SLIPS:
            raise BadReply(
                self._finish_message or f"Gemini gave up: {raw}.",
                upstream_status=200,
                upstream_code=raw,
                retryable=_SLIPS[raw],
            )
        reason = _FINISH.get(raw, "stop")
        if reason == "stop" and self._open is not None:
            raise BadReply("Gemini's reply ended inside a tool call.")
        if reason == "stop" and self._call_count:  # Gemini has no word of its own for it
            reason = "tool_calls"
        self.out.append(Finished(reason, raw))

    def _count(self, usage: Usage) -> None:
        """Counters are cumulative and come with most chunks; only news is worth an event."""
        if usage != self._usage and (self._usage is None or usage != Usage()):
            self._usage = usage
            self.out.append(UsageReported(usage))

    def _candidate(self, candidate: wire.Candidate) -> None:
        # Old models put a reason into every chunk: theirs says nothing.
        self.answered = bool(candidate.finish_reason) and not self.finish_reason
        logprobs = _logprobs(candidate.logprobs_result)
        for part in (candidate.content and candidate.content.parts) or ():
            if part.function_call is not None:
                self._call(part.function_call, part.thought_signature)
            elif part.text is not None:
                self._say(part.text, part, logprobs)
                logprobs = ()
        if candidate.finish_reason:
            self.finish_reason = candidate.finish_reason
            self._finish_message = candidate.finish_message or ""

    def _say(self, text: str, part: wire.Part, logprobs: tuple[TokenLogprob, ...]) -> None:
        if text and part.thought:
            self.out.append(ReasoningDelta(text))
        elif text:
            self.out.append(TextDelta(text, logprobs))
        if part.thought_signature:
            kind = "thought_signature" if part.thought else "text_signature"
            self.out.append(ReasoningDelta("", _opaque(kind, part.thought_signature)))

    def _call(self, call: wire.FunctionCall, signature: str | None) -> None:
        if call.name:
            if self._open is not None:
                raise BadReply("Gemini began a tool call inside another.")
            opaque = (_opaque("thought_signature", signature),) if signature else ()
            call_id = call.id or f"call_{self._name}_{self._call_count}"
            self.out.append(ToolCallStarted(self._call_count, call_id, call.name, opaque))
            self._call_count += 1
            if not call.will_continue and not call.partial_args:
                self._whole(msgspec.json.encode(call.args or {}).decode())
                return
            self._open = PartialArguments()
        if self._open is None:
            return
        for piece in call.partial_args or ():
            self._open.add(piece)
        if not call.will_continue:
            self._whole(self._open.json())
            self._open = None

    def _whole(self, arguments: str) -> None:
        index = self._call_count - 1
        self.out += (ToolArgsDelta(index, arguments), ToolCallEnded(index))


def _logprobs(result: wire.LogprobsResult | None) -> tuple[TokenLogprob, ...]:
    if result is None:
        return ()
    tops = [
        tuple((choice.token, choice.log_probability) for choice in top.candidates or ())
        for top in result.top_candidates or ()
    ]
    return tuple(
        TokenLogprob(chosen.token, chosen.log_probability, tops[at] if at < len(tops) else ())
        for at, chosen in enumerate(result.chosen_candidates or ())
    )


def _opaque(kind: str, value: str) -> Opaque:
    return Opaque(vendor="gemini", kind=kind, value=value)
