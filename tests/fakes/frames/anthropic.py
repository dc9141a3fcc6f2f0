"""Claude's frames, as recorded from Haiku 4.5 with thinking and tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from typing_extensions import override

from models.chat import Json
from models.stream import FinishReason, Usage
from tests.fakes.frames.base import (
    Frame,
    Frames,
    Said,
    argument_pieces,
    filled,
    recorded_body,
    recorded_events,
)

_TEXT = "anthropic/stream-thinking-haiku45"
_TOOL = "anthropic/stream-thinking-then-tool"
_BODY = "anthropic/json-tool-opus5"
_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class AnthropicFrames(Frames):
    """`POST /v1/messages`."""

    @override
    def stream(self, said: Said) -> Iterator[Frame]:
        """message_start, the blocks, message_delta, message_stop."""
        usage = _usage(said.usage)
        started = _template(_TOOL, "message_start")
        first_usage = {**started["message"]["usage"], **usage, "output_tokens": 1}
        first_usage.pop("output_tokens_details", None)
        yield _frame(filled(started, {"message.model": said.model, "message.usage": first_usage}))
        blocks = [*_thinking(said), *_text(said), *_tools(said)]
        for index, block in enumerate(blocks):
            for number, (event, chars) in enumerate(block):
                yield _frame(filled(event, {"index": index}), chars)
                if index == number == 0:
                    yield Frame(b'event: ping\ndata: {"type": "ping"}\n\n')
        stopped = {"delta.stop_reason": _STOP_REASONS[said.finish], "usage": usage}
        yield _frame(filled(_template(_TOOL, "message_delta"), stopped))
        yield _frame(_template(_TOOL, "message_stop"))

    @override
    def body(self, said: Said) -> bytes:
        """The message with all blocks."""
        recorded = recorded_body(_BODY)
        text, tool = recorded["content"]
        content: list[Json] = []
        if said.reasoning:
            signature = _template(_TEXT, "signature_delta")["delta"]["signature"]
            thought = "".join(said.reasoning)
            content.append({"type": "thinking", "thinking": thought, "signature": signature})
        if said.text:
            content.append({**text, "text": said.whole_text})
        content += [
            {**tool, "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in said.tool_calls
        ]
        values = {
            "content": content,
            "model": said.model,
            "stop_reason": _STOP_REASONS[said.finish],
            "usage": {**recorded["usage"], **_usage(said.usage)},
        }
        return json.dumps({**recorded, **values}, ensure_ascii=False).encode()


Block = list[tuple[Json, int]]


def _thinking(said: Said) -> Iterator[Block]:
    if said.reasoning:
        delta = _template(_TEXT, "thinking_delta")
        yield [
            (
                _template(_TEXT, "content_block_start", lambda e: "thinking" in e["content_block"]),
                0,
            ),
            *((filled(delta, {"delta.thinking": piece}), 0) for piece in said.reasoning),
            (_template(_TEXT, "signature_delta"), 0),
            (_template(_TEXT, "content_block_stop"), 0),
        ]


def _text(said: Said) -> Iterator[Block]:
    if said.text:
        delta = _template(_TEXT, "text_delta")
        yield [
            (_template(_TEXT, "content_block_start", lambda e: "text" in e["content_block"]), 0),
            *((filled(delta, {"delta.text": t.text}), len(t.text)) for t in said.text),
            (_template(_TEXT, "content_block_stop"), 0),
        ]


def _tools(said: Said) -> Iterator[Block]:
    for call in said.tool_calls:
        start = _template(_TOOL, "content_block_start", lambda e: "name" in e["content_block"])
        named = {"content_block.id": call.id, "content_block.name": call.name}
        delta = _template(_TOOL, "input_json_delta")
        pieces = ["", *argument_pieces(call)]  # the first one is empty, as recorded
        yield [
            (filled(start, named), 0),
            *((filled(delta, {"delta.partial_json": piece}), 0) for piece in pieces),
            (_template(_TOOL, "content_block_stop"), 0),
        ]


def _template(name: str, kind: str, fits: Callable[[Json], bool] = bool) -> Json:
    """The first recorded event of this type, or delta of this type, that fits."""
    events = recorded_events(name)
    return next(
        e for e in events if kind in (e["type"], e.get("delta", {}).get("type")) and fits(e)
    )


def _usage(usage: Usage) -> Json:
    """Claude's counts: cached tokens are not part of the input."""
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _frame(event: Json, chars: int = 0) -> Frame:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    padding = " " * (len(text) % 16)  # the API pads its data lines, too
    return Frame(f"event: {event['type']}\ndata: {text[:-1]}{padding}}}\n\n".encode(), chars)
