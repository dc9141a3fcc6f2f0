"""The conversation in Anthropic's words: one system prompt, then turns that alternate."""

from __future__ import annotations

import base64
import re
from typing import TypeAlias, assert_never

from models.card import ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from models.errors import Unsupported
from router.providers.arguments import as_object

Block: TypeAlias = dict[str, Json]

# A conversation must begin and end with the user. Clients that open with an assistant turn, or
# close with one to a model without prefill, would otherwise get a 400.
_OPENING = "."
_CONTINUE = "Continue exactly where you stopped."

_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def conversation(request: ChatRequest, card: ModelCard) -> tuple[list[Block], list[Block]]:
    """The system blocks and the turns of a request, ending where the model should begin."""
    ids = _CallIds()
    system: list[Block] = []
    turns: list[Block] = []
    for message in request.messages:
        blocks = [block for part in message.parts for block in _of_part(part, ids)]
        if message.role == "system":
            system += [block for block in blocks if block["type"] == "text"]
        elif blocks:
            _append(turns, "assistant" if message.role == "assistant" else "user", blocks)
    for turn in turns:
        if turn["role"] == "user":  # results must stand before anything else the user says
            turn["content"].sort(key=_is_no_result)
    _close(turns, request, card)
    if not turns:
        system, turns = [], [{"role": "user", "content": system or [_text(_OPENING)]}]
    elif turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(_OPENING)]})
    return system, turns


class _CallIds:
    """Call ids as Anthropic wants them: in few letters, and never twice in a conversation.

    Other hosts also use dots and colons, or begin again at 0 with every reply.
    """

    def __init__(self) -> None:
        self._given: dict[str, str] = {}  # the newest call's id here, by its id there
        self._used: set[str] = set()

    def of_call(self, wanted: str) -> str:
        plain = given = _NOT_IN_ID.sub("_", wanted) or "call"
        count = 1
        while given in self._used:
            count += 1
            given = f"{plain}_{count}"
        self._used.add(given)
        self._given[wanted] = given
        return given

    def of_result(self, wanted: str) -> str:
        return self._given.get(wanted) or _NOT_IN_ID.sub("_", wanted) or "call"


def _is_no_result(block: Block) -> bool:
    return block["type"] != "tool_result"


def _append(turns: list[Block], role: str, blocks: list[Block]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _close(turns: list[Block], request: ChatRequest, card: ModelCard) -> None:
    """End with the prefill, or make sure that an assistant turn at the end is not refused."""
    can_prefill = card.abilities.prefill != "none"
    # The API refuses a last assistant turn that ends in white space; the baton mends the spacing.
    if prefill := request.prefill.rstrip():
        assert can_prefill, f"{card.name} does not take a prefill"
        _append(turns, "assistant", [_text(prefill)])
    elif turns and turns[-1]["role"] == "assistant":
        if not can_prefill:
            _append(turns, "user", [_text(_CONTINUE)])
        elif (last := turns[-1]["content"][-1])["type"] == "text":
            last["text"] = last["text"].rstrip()


def _of_part(part: Part, ids: _CallIds) -> list[Block]:
    match part:
        case Text():
            # Blocks without a visible character are refused.
            return [_cached(_text(part.text), part.cache)] if part.text.strip() else []
        case Media():
            return [_cached(_media(part), part.cache)]
        case Reasoning():
            return _reasoning(part)
        case ToolCall():
            return [
                {
                    "type": "tool_use",
                    "id": ids.of_call(part.id),
                    "name": part.name,
                    "input": as_object(part.arguments),
                }
            ]
        case ToolResult():
            return [_cached(_tool_result(part, ids), part.cache)]
        case _:
            assert_never(part)


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _cached(block: Block, cache: Json) -> Block:
    return {**block, "cache_control": cache} if cache else block


def _tool_result(part: ToolResult, ids: _CallIds) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": ids.of_result(part.call_id)}
    if content := [inner for piece in part.content for inner in _of_part(piece, ids)]:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block


def _reasoning(part: Reasoning) -> list[Block]:
    """Blocks for what Anthropic signed. It refuses thoughts that carry no signature of its own."""
    blocks: list[Block] = []
    text = part.text
    for opaque in part.opaque:
        if opaque.vendor != "anthropic":
            continue
        if opaque.kind == "redacted_thinking":
            blocks.append({"type": "redacted_thinking", "data": opaque.value})
        elif opaque.kind == "signature":
            blocks.append({"type": "thinking", "thinking": text, "signature": opaque.value})
            text = ""
    return blocks


def _media(part: Media) -> Block:
    if part.kind not in ("image", "document"):
        raise Unsupported(f"Anthropic's models take no {part.kind}.", param="messages")
    block: Block = {"type": part.kind, "source": _source(part)}
    if part.kind == "document" and part.name:
        block["title"] = part.name
    return block


def _source(part: Media) -> Block:
    if part.file_id:
        return {"type": "file", "file_id": part.file_id}
    if part.url:
        return {"type": "url", "url": part.url}
    if part.kind == "document" and part.media_type.startswith("text/"):
        text = base64.b64decode(part.data).decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    default = "image/png" if part.kind == "image" else "application/pdf"
    return {"type": "base64", "media_type": part.media_type or default, "data": part.data}
