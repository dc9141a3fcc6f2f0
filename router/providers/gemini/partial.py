"""Arguments of a call that arrive as values at JSON paths (Vertex's `partialArgs`)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import cast

import msgspec

from models.chat import Json
from models.errors import BadReply
from router.providers.gemini.wire import PartialArg

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_MAX_INDEX = 100_000  # an index is a list length that somebody else chose


class PartialArguments:
    """The object that grows with each piece."""

    def __init__(self) -> None:
        """An object without keys."""
        self._root: dict[str, Json] = {}

    def add(self, piece: PartialArg) -> None:
        """Put the piece where its path points; text is appended to text. Raises `BadReply`."""
        steps = _steps(piece.json_path)
        node: Json = self._root
        for step, following in pairwise(steps):
            empty: Json = [] if isinstance(following, int) else {}
            held = _get(node, step)
            if held is None:
                held = empty
                _set(node, step, held)
            node = held
        value = _value(piece)
        held = _get(node, steps[-1])
        if isinstance(held, str) and isinstance(value, str):
            value = held + value
        _set(node, steps[-1], value)

    def json(self) -> str:
        """The object as JSON text."""
        return msgspec.json.encode(self._root).decode()


def _value(piece: PartialArg) -> Json:
    for value in (piece.string_value, piece.number_value, piece.bool_value):
        if value is not None:
            return value
    return None


def _steps(path: str) -> list[str | int]:
    matches = list(_STEP.finditer(path))
    if not matches or "$" + "".join(match.group() for match in matches) != path:
        raise BadReply(f"Gemini put an argument at a path that cannot be read: {path[:80]}")
    return [
        int(match[2]) if match[2] else next(group for group in match.groups() if group is not None)
        for match in matches
    ]


def _get(node: Json, step: str | int) -> Json:
    if isinstance(node, dict) and isinstance(step, str):
        return cast("dict[str, Json]", node).get(step)
    if isinstance(node, list) and isinstance(step, int):
        items = cast("list[Json]", node)
        return items[step] if step < len(items) else None
    raise BadReply("Gemini put an argument inside a value that is no object or list.")


def _set(node: Json, step: str | int, value: Json) -> None:
    if isinstance(step, str):
        cast("dict[str, Json]", node)[step] = value
        return
    if step > _MAX_INDEX:
        raise BadReply(f"Gemini put an argument at index {step}.")
    items = cast("list[Json]", node)
    items += [None] * (step + 1 - len(items))
    items[step] = value
