"""JSON Schemas the way Anthropic's structured output takes them.

Every object must be closed (`additionalProperties: false`), and limits on numbers, lengths and
counts are refused. As Anthropic's own SDK does, a limit is moved into the description, where the
model can still follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from models.chat import Json

_REFUSED = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})


def closed_schema(schema: Mapping[str, Json]) -> dict[str, Json]:
    """A copy of `schema` in which every object is closed and no refused keyword is left."""
    result: dict[str, Json] = {}
    limits: list[str] = []
    for key, value in schema.items():
        if key in _REFUSED or (key == "minItems" and value not in (0, 1)):
            limits.append(f"{key}: {msgspec.json.encode(value).decode()}")
        else:
            result["anyOf" if key == "oneOf" else key] = _inner(key, value)
    if "properties" in result or result.get("type") == "object":
        result["additionalProperties"] = False
    if limits:
        said = result.get("description", "")
        result["description"] = f"{said} ({', '.join(limits)})".lstrip()
    return result


def _inner(key: str, value: Json) -> Json:
    if key in _NAMED_SCHEMAS and isinstance(value, dict):
        named = cast("dict[str, Json]", value)
        return {name: _one(schema) for name, schema in named.items()}
    if key in _SCHEMA_LISTS and isinstance(value, list):
        return [_one(schema) for schema in cast("list[Json]", value)]
    return _one(value) if key == "items" else value


def _one(schema: Json) -> Json:
    return closed_schema(cast("dict[str, Json]", schema)) if isinstance(schema, dict) else schema
