"""Reasoning objects that stream in pieces, put together so that they can be handed back whole.

OpenRouter's `reasoning_details` and LiteLLM's `thinking_blocks` carry the signatures that tool
loops need; a piece has some text, or the signature, of the object that its index names.
"""

from __future__ import annotations

from typing import Any

from models.chat import Opaque
from models.stream import ReasoningDelta, StreamEvent

_TEXTS = ("text", "summary", "thinking")
_SEALS = ("signature", "data")


class ReasoningObjects:
    """The objects that are still open."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        """Nothing yet."""
        self._items: list[tuple[str, dict[str, Any]]] = []

    def __bool__(self) -> bool:
        """True while something is held."""
        return bool(self._items)

    def add(self, kind: str, pieces: list[dict[str, Any]]) -> None:
        """Add pieces to the object they belong to, or begin another."""
        for piece in pieces:
            if self._items and _continues(self._items[-1], kind, piece):
                _merge(self._items[-1][1], piece)
            else:
                self._items.append((kind, dict(piece)))

    def flush(self, out: list[StreamEvent]) -> None:
        """Give out what is held, one event for each object that says anything."""
        for kind, item in self._items:
            if any(item.get(field) for field in _TEXTS + _SEALS):
                out.append(ReasoningDelta(opaque=Opaque(vendor="openai", kind=kind, value=item)))
        self._items.clear()


def text_of(pieces: list[dict[str, Any]]) -> str:
    """The readable text, for hosts that send it nowhere else."""
    return "".join(
        piece[field] for piece in pieces for field in _TEXTS if isinstance(piece.get(field), str)
    )


def _continues(last: tuple[str, dict[str, Any]], kind: str, piece: dict[str, Any]) -> bool:
    held_kind, item = last
    return (
        held_kind == kind
        and item.get("type") == piece.get("type")
        and item.get("index") == piece.get("index")
        and not any(item.get(field) for field in _SEALS)
    )


def _merge(item: dict[str, Any], piece: dict[str, Any]) -> None:
    for field, value in piece.items():
        old = item.get(field)
        if field in _TEXTS and isinstance(old, str) and isinstance(value, str):
            item[field] = old + value
        elif value is not None:
            item[field] = value
