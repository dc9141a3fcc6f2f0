"""Turns of a conversation as chat/completions messages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from router.providers.openai.quirks import Quirks

# Vendor fields of a tool call: Google's signature by its compatible endpoint, and LiteLLM's.
TOOL_EXTRAS = ("extra_content", "provider_specific_fields")

_NINE = re.compile(r"[A-Za-z0-9]{9}")
_MAX_ID = 40  # OpenAI refuses longer ids; other vendors' can hold a signature
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def encode_messages(request: ChatRequest, quirks: Quirks) -> list[dict[str, Json]]:
    """All turns in order, without the prefill."""
    messages: list[dict[str, Json]] = []
    shown: list[Media] = []  # what tools returned that a tool message cannot hold
    for message in request.messages:
        if message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    messages.append(_tool_result(part, quirks))
                    shown += (inner for inner in part.content if isinstance(inner, Media))
            continue
        _flush_media(shown, messages, quirks)
        messages.append(_turn(message, quirks))
    _flush_media(shown, messages, quirks)
    return messages


def tool_id(call_id: str, quirks: Quirks) -> str:
    """An id that the host takes; the same foreign id always becomes the same one."""
    if quirks.short_tool_ids:
        return call_id if _NINE.fullmatch(call_id) else _digest(call_id, 9)
    return call_id if len(call_id) <= _MAX_ID else "call_" + _digest(call_id, 24)


def _digest(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest())
    letters: list[str] = []
    for _ in range(length):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(letters)


def _turn(message: Message, quirks: Quirks) -> dict[str, Json]:
    turn: dict[str, Json] = {"role": message.role}
    if message.name and "name" not in quirks.refused:
        turn["name"] = message.name
    if message.role == "assistant":
        return turn | _assistant(message, quirks)
    turn["content"] = _content(message.parts, quirks)
    return turn


def _assistant(message: Message, quirks: Quirks) -> dict[str, Json]:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    turn: dict[str, Json] = {"content": message.text or (None if calls else "")}
    if calls:
        turn["tool_calls"] = [_tool_call(call, quirks) for call in calls]
    return turn | _reasoning(thoughts, bool(calls), quirks)


def _reasoning(thoughts: Sequence[Reasoning], calls: bool, quirks: Quirks) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    text = "".join(thought.text for thought in thoughts)
    sent = {"never": False, "with_tools": bool(text), "always_with_tools": True}
    if calls and sent[quirks.reasoning_text]:
        fields["reasoning_content"] = text
    if kind := quirks.reasoning_opaque:
        own: list[Json] = [
            opaque.value
            for thought in thoughts
            for opaque in thought.opaque
            if _is_own(opaque, kind)
        ]
        if own:
            fields[kind] = own
    return fields


def _is_own(opaque: Opaque, kind: str) -> bool:
    """Whether this host made it. It came by way of the client, so it can be anything."""
    return opaque.vendor == "openai" and opaque.kind == kind and isinstance(opaque.value, dict)


def _tool_call(call: ToolCall, quirks: Quirks) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "id": tool_id(call.id, quirks),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }
    if quirks.tool_extras:
        entry |= {
            opaque.kind: opaque.value
            for opaque in call.opaque
            if opaque.vendor == "openai" and opaque.kind in TOOL_EXTRAS
        }
    return entry


def _tool_result(result: ToolResult, quirks: Quirks) -> dict[str, Json]:
    texts = [part for part in result.content if isinstance(part, Text)]
    if not texts and any(isinstance(part, Media) for part in result.content):
        texts = [Text(text="The result is in the next message.")]
    return {
        "role": "tool",
        "tool_call_id": tool_id(result.call_id, quirks),
        "content": _content(texts, quirks),
    }


def _flush_media(shown: list[Media], messages: list[dict[str, Json]], quirks: Quirks) -> None:
    """Tool messages hold text only: what they showed follows as a user turn after the last one."""
    if shown:
        messages.append({"role": "user", "content": [_media(media, quirks) for media in shown]})
        shown.clear()


def _content(parts: Iterable[Part], quirks: Quirks) -> str | list[dict[str, Json]]:
    """One string where it can be: not every host takes a list of texts."""
    shown = [part for part in parts if isinstance(part, Text | Media)]
    texts = [part for part in shown if isinstance(part, Text)]
    marked = quirks.cache_control and any(part.cache for part in shown)
    if len(texts) == len(shown) and not marked:
        return "\n".join(part.text for part in texts)
    return [_part(part, quirks) for part in shown]


def _part(part: Text | Media, quirks: Quirks) -> dict[str, Json]:
    entry: dict[str, Json] = (
        {"type": "text", "text": part.text} if isinstance(part, Text) else _media(part, quirks)
    )
    if quirks.cache_control and part.cache:
        entry["cache_control"] = part.cache
    return entry


def _media(media: Media, quirks: Quirks) -> dict[str, Json]:
    link = media.url or f"data:{media.media_type};base64,{media.data}"
    if media.kind == "image":
        image: dict[str, Any] = {"url": link}
        if media.detail:
            image["detail"] = media.detail
        return {"type": "image_url", "image_url": image}
    if media.kind == "video":
        return {"type": "video_url", "video_url": {"url": link}}
    if media.kind == "audio":
        sound = media.media_type.rpartition("/")[2].removeprefix("x-").replace("mpeg", "mp3")
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": sound}}
    if quirks.document == "document_url":
        return {"type": "document_url", "document_url": link}
    if media.file_id:
        return {"type": "file", "file": {"file_id": media.file_id}}
    return {"type": "file", "file": {"filename": media.name or "document.pdf", "file_data": link}}
