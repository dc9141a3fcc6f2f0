"""Vendor data (signatures, encrypted reasoning) in the fields that OpenAI clients send back.

A reasoning signature travels in `reasoning_details`, OpenRouter's shape, which clients keep as it
is; a tool call's travels in `extra_content.google.thought_signature`, as Google's own
OpenAI-compatible endpoint has it. An item's `id` says whose it is, so that it returns to the
vendor that made it: an item without our mark came from an OpenAI-compatible host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from models.chat import Json, Opaque, Reasoning
from models.stream import ReasoningDelta
from router.outcome import Outcome

_MARK = "headstart"  # then /vendor/kind; the value is text
_MARK_JSON = "headstart+json"  # the same, and the value is JSON text
_FORMATS = {"anthropic": "anthropic-claude-v1", "gemini": "google-gemini-v1"}


class Thoughts:
    """Reasoning as it streams, cut into the blocks that signatures close.

    A signature holds only for the text of its own model, so thoughts of a leg that broke off are
    not part of the block that the next leg signs.
    """

    def __init__(self, outcome: Outcome) -> None:
        """`outcome` tells when another leg began."""
        self._outcome = outcome
        self._legs = 0
        self._text: list[str] = []
        self._closed = 0

    def add(self, event: ReasoningDelta) -> list[Json]:
        """The `reasoning_details` items that this event completes."""
        if self._legs != len(self._outcome.legs):
            self._legs = len(self._outcome.legs)
            self._text.clear()
        self._text.append(event.text)
        if event.opaque is None:
            return []
        item = _detail_item(event.opaque, "".join(self._text), self._closed)
        self._text.clear()
        self._closed += 1
        return [item]


def reasoning_parts(details: Iterable[Mapping[str, Any]], text: str) -> tuple[Reasoning, ...]:
    """The reasoning of an assistant turn that came back with these items and this plain text."""
    parts: list[Reasoning] = []
    for item in details:
        opaque = _marked(item)
        thought = str(item.get("text") or "")
        if opaque is None:
            opaque = Opaque(vendor="openai", kind="reasoning_details", value=item)
            thought = thought or str(item.get("summary") or "")
        parts.append(Reasoning(text=thought, opaque=(opaque,)))
    if text and not any(part.text for part in parts):
        parts.insert(0, Reasoning(text=text))
    return tuple(parts)


def extra_content(opaques: Iterable[Opaque]) -> dict[str, Json] | None:
    """The `extra_content` of a tool call that carries `opaques`, or None when there is none."""
    content: dict[str, Json] = {}
    for opaque in opaques:
        match opaque:
            case Opaque(vendor="gemini", kind="thought_signature"):
                content["google"] = {"thought_signature": opaque.value}
            case Opaque(vendor="openai", kind="extra_content") if isinstance(opaque.value, dict):
                content |= cast("dict[str, Json]", opaque.value)
            case _:
                triple = [opaque.vendor, opaque.kind, opaque.value]
                content.setdefault("headstart", []).append(triple)
    return content or None


def call_opaques(content: Json) -> tuple[Opaque, ...]:
    """What the `extra_content` of a tool call carries back.

    Google's signature goes to both of Google's wire formats: a call does not say which it used.
    """
    if not isinstance(content, dict):
        return ()
    foreign = dict(cast("dict[str, Json]", content))
    opaques = list(_ours(foreign.pop("headstart", None)))
    match foreign.get("google"):
        case {"thought_signature": str(signature)}:
            opaques.append(Opaque(vendor="gemini", kind="thought_signature", value=signature))
        case _:
            pass
    if foreign:
        opaques.append(Opaque(vendor="openai", kind="extra_content", value=foreign))
    return tuple(opaques)


def _ours(triples: Json) -> Iterable[Opaque]:
    for triple in cast("list[Json]", triples) if isinstance(triples, list) else []:
        match triple:
            case [str(vendor), str(kind), value]:
                yield Opaque(vendor=vendor, kind=kind, value=value)
            case _:
                pass


def _detail_item(opaque: Opaque, thought: str, index: int) -> Json:
    if opaque.vendor == "openai" and opaque.kind == "reasoning_details":
        return opaque.value  # a host's own item, already in this shape
    is_text = isinstance(opaque.value, str)
    item: dict[str, Json] = {
        "id": f"{_MARK if is_text else _MARK_JSON}/{opaque.vendor}/{opaque.kind}",
        "format": _FORMATS.get(opaque.vendor, "unknown"),
        "index": index,
    }
    if is_text and thought:
        return item | {"type": "reasoning.text", "text": thought, "signature": opaque.value}
    data = opaque.value if is_text else msgspec.json.encode(opaque.value).decode()
    return item | {"type": "reasoning.encrypted", "data": data}


def _marked(item: Mapping[str, Any]) -> Opaque | None:
    mark, value = item.get("id"), item.get("signature", item.get("data"))
    if not isinstance(mark, str) or not isinstance(value, str):
        return None
    prefix, _, rest = mark.partition("/")
    vendor, _, kind = rest.partition("/")
    if prefix == _MARK:
        return Opaque(vendor=vendor, kind=kind, value=value)
    if prefix == _MARK_JSON:
        with contextlib.suppress(msgspec.DecodeError):
            return Opaque(vendor=vendor, kind=kind, value=msgspec.json.decode(value))
    return None
