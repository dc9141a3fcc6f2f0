"""Gemini's frames, as recorded from Gemini 3 with thoughts and a function call."""

from __future__ import annotations

import json
from collections.abc import Iterator

from typing_extensions import override

from models.chat import Json, ToolCall
from models.stream import FinishReason, Usage
from tests.fakes.frames.base import Frame, Frames, Said, filled, recorded_body, recorded_events

_TEXT = "gemini/stream-thinking-gemini3"
_TOOL = "gemini/stream-toolcall-signature"
_BODY = "gemini/json-text"
_PART = "candidates.0.content.parts.0"
_FINISH_REASONS: dict[FinishReason, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}


class GeminiFrames(Frames):
    """`:streamGenerateContent?alt=sse` and `:generateContent`."""

    @override
    def stream(self, said: Said) -> Iterator[Frame]:
        """Thoughts, text, calls, and a last chunk with the reason and a signature."""
        thought, text, last = _templates()
        pieces = [*said.reasoning, *(token.text for token in said.text)]
        counts = _running_counts(said.usage, len(said.reasoning), len(said.text))
        for number, (piece, usage) in enumerate(zip(pieces, counts, strict=True)):
            thinks = number < len(said.reasoning)
            template = thought if thinks else text
            event = filled(template, {f"{_PART}.text": piece, **_common(said.model, usage)})
            yield _frame(event, 0 if thinks else len(piece))
        whole = _common(said.model, said.usage)
        call_template = recorded_events(_TOOL)[0]
        for call in said.tool_calls:
            yield _frame(filled(call_template, {f"{_PART}.functionCall": _call(call), **whole}))
        reason = {"candidates.0.finishReason": _FINISH_REASONS[said.finish]}
        yield _frame(filled(last, {**reason, **whole}))

    @override
    def body(self, said: Said) -> bytes:
        """One candidate with all parts."""
        parts: list[Json] = []
        if said.reasoning:
            parts.append({"text": "".join(said.reasoning), "thought": True})
        if said.text:
            parts.append({"text": said.whole_text})
        recorded_call = recorded_events(_TOOL)[0]["candidates"][0]["content"]["parts"][0]
        parts += [{**recorded_call, "functionCall": _call(call)} for call in said.tool_calls]
        values = {
            "candidates.0.content.parts": parts,
            "candidates.0.finishReason": _FINISH_REASONS[said.finish],
            **_common(said.model, said.usage),
        }
        return json.dumps(
            filled(recorded_body(_BODY), values), ensure_ascii=False, indent=2
        ).encode()


def _templates() -> tuple[Json, Json, Json]:
    """A thought, a piece of text and the last chunk."""
    events = recorded_events(_TEXT)
    parts = [event["candidates"][0]["content"]["parts"][0] for event in events]
    first_text = next(i for i, part in enumerate(parts) if "thought" not in part)
    return events[0], events[first_text], events[-1]


def _common(model: str, usage: Usage) -> dict[str, Json]:
    return {"modelVersion": model, "usageMetadata": _usage(usage)}


def _running_counts(whole: Usage, thoughts: int, texts: int) -> Iterator[Usage]:
    """Usage grows from chunk to chunk; thoughts are counted with the first text."""
    for _ in range(thoughts):
        yield Usage(input=whole.input, cache_read=whole.cache_read)
    visible = whole.output - whole.reasoning
    for number in range(1, texts + 1):
        output = whole.reasoning + visible * number // texts
        yield Usage(
            input=whole.input,
            output=output,
            cache_read=whole.cache_read,
            reasoning=whole.reasoning,
        )


def _usage(usage: Usage) -> Json:
    counts: dict[str, Json] = {"promptTokenCount": usage.input}
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.output:
        counts["candidatesTokenCount"] = usage.output - usage.reasoning
    counts["totalTokenCount"] = usage.input + usage.output
    counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.input}]
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts | {"serviceTier": "standard"}


def _call(call: ToolCall) -> Json:
    return {"name": call.name, "args": json.loads(call.arguments), "id": call.id}


def _frame(event: Json, chars: int = 0) -> Frame:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ": "))
    return Frame(f"data: {text}\r\n\r\n".encode(), chars)
