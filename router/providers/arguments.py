"""The arguments of a tool call: JSON text in our language, an object in a provider's."""

from __future__ import annotations

import msgspec

from models.chat import Json

# What msgspec raises for bytes that are no JSON of the shape asked for.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def is_object(text: str) -> bool:
    """True when `text` is one whole JSON object."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except UNREADABLE:
        return False


def as_object(text: str) -> Json:
    """`text` as a value to encode: byte for byte when it is an object, else wrapped, never lost."""
    if is_object(text):
        return msgspec.Raw(text.encode())
    return {"_raw": text} if text.strip() else {}
