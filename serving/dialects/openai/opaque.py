"""Vendor data (signatures, encrypted reasoning) in the fields that OpenAI clients send back.

A reasoning signature travels in `reasoning_details`, OpenRouter's shape, which clients keep as it
is; a tool call's travels in `extra_content.google.thought_signature`, as Google's own
OpenAI-compatible endpoint has it. The item's `id` says whose it is, so that it returns to the
vendor that made it: an item without our mark came from an OpenAI-compatible host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from models.chat import Json, Opaque, Reasoning

HOST_KIND = "reasoning_details"  # items of an OpenAI-compatible host: passed on as they are

_MARK = "headstart/"  # then vendor/kind
_MARK_JSON = "headstart+json/"  # the same, and the value is JSON text
_FORMATS = {"anthropic": "anthropic-claude-v1", "gemini": "google-gemini-v1"}


def detail_items(opaque: Opaque, thought: str, index: int) -> list[Json]:
    """The `reasoning_details` items for `opaque`, which closes block `index` with text `thought`."""
    if opaque.kind == HOST_KIND:
        return (
            cast("list[Json]", opaque.value) if isinstance(opaque.value, list) else [opaque.value]
        )
    item: dict[str, Json] = {
        "id": _mark(opaque),
        "format": _FORMATS.get(opaque.vendor, "unknown"),
        "index": index,
    }
    if thought:
        item |= {"type": "reasoning.text", "text": thought, "signature": _as_text(opaque.value)}
    else:
        item |= {"type": "reasoning.encrypted", "data": _as_text(opaque.value)}
    return [item]


def reasoning_parts(details: Iterable[Mapping[str, Any]], text: str) -> tuple[Reasoning, ...]:
    """The reasoning of an assistant turn that came back with these items and this plain text."""
    parts: list[Reasoning] = []
    hosted: list[Mapping[str, Any]] = []
    for item in details:
        opaque = _marked(item)
        if opaque is None:
            hosted.append(item)
        else:
            parts.append(Reasoning(text=str(item.get("text") or ""), opaque=(opaque,)))
    if hosted:
        opaque = Opaque(vendor="openai", kind=HOST_KIND, value=hosted)
        parts.append(Reasoning(text=text or _joined(hosted), opaque=(opaque,)))
    elif text and not any(part.text for part in parts):
        parts.insert(0, Reasoning(text=text))
    return tuple(parts)


def extra_content(opaques: Iterable[Opaque]) -> dict[str, Json] | None:
    """The `extra_content` of a tool call that carries `opaques`, or None when there is none."""
    content: dict[str, Json] = {}
    for opaque in opaques:
        if opaque.vendor == "gemini" and isinstance(opaque.value, str):
            content["google"] = {"thought_signature": opaque.value}
        else:
            content.setdefault("headstart", []).append([opaque.vendor, opaque.kind, opaque.value])
    return content or None


def call_opaques(content: Json) -> tuple[Opaque, ...]:
    """What `extra_content` of a tool call carries back; foreign keys stay an OpenAI host's."""
    if not isinstance(content, dict):
        return ()
    return tuple(_call_opaques(cast("dict[str, Json]", content)))


def _call_opaques(content: dict[str, Json]) -> Iterable[Opaque]:
    rest: dict[str, Json] = {}
    for key, value in content.items():
        match key, value:
            case "google", {"thought_signature": str(signature)}:
                yield Opaque(vendor="gemini", kind="thought_signature", value=signature)
            case "headstart", [*triples]:
                for triple in triples:
                    match triple:
                        case [str(vendor), str(kind), inner]:
                            yield Opaque(vendor=vendor, kind=kind, value=inner)
                        case _:
                            rest[key] = value
            case _:
                rest[key] = value
    if rest:
        yield Opaque(vendor="openai", kind="extra_content", value=rest)


def _mark(opaque: Opaque) -> str:
    prefix = _MARK if isinstance(opaque.value, str) else _MARK_JSON
    return f"{prefix}{opaque.vendor}/{opaque.kind}"


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _marked(item: Mapping[str, Any]) -> Opaque | None:
    mark, value = item.get("id"), item.get("signature", item.get("data"))
    if not isinstance(mark, str) or not isinstance(value, str):
        return None
    prefix, _, rest = mark.partition("/")
    vendor, _, kind = rest.partition("/")
    if prefix == "headstart":
        return Opaque(vendor=vendor, kind=kind, value=value)
    if prefix == "headstart+json":
        with contextlib.suppress(msgspec.DecodeError):
            return Opaque(vendor=vendor, kind=kind, value=msgspec.json.decode(value))
    return None


def _joined(items: Iterable[Mapping[str, Any]]) -> str:
    return "".join(str(item.get("text") or item.get("summary") or "") for item in items)
