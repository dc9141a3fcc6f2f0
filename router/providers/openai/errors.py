"""Errors of OpenAI-like hosts: an object, a flat body, a string, a list, or a web page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from models.chat import Json
from models.errors import ProviderError
from router.providers.arguments import UNREADABLE
from router.providers.failures import classify


def error_from_body(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error of a reply that is one by its HTTP status."""
    try:
        payload: Json = msgspec.json.decode(body)
    except UNREADABLE:
        return classify(status, message=_plain(body), headers=headers)
    return error_from_payload(payload, status=status, headers=headers)


def error_from_payload(
    payload: Json, *, status: int = 0, headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The error that a decoded body or a chunk's `error` value describes."""
    fields = _error_fields(payload)
    inner = _as_dict(fields.get("innererror"))
    details = _as_dict(fields.get("metadata"))
    if status < 400:
        # Azure and Groq repeat the HTTP status inside the object when the reply is a 200.
        status = _status(fields.get("status_code")) or _status(fields.get("status"))
    return classify(
        status,
        code=_word(fields.get("code")) or _word(inner.get("code")),
        kind=_word(fields.get("type")),
        message=_message(fields, details),
        headers=headers,
    )


def describes_error(payload: Json) -> bool:
    """True for the flat error bodies that have no `error` key (Mistral, older vLLM)."""
    fields = _as_dict(payload)
    return fields.get("object") == "error" or "error" in fields


def _error_fields(payload: Json) -> dict[str, Any]:
    if isinstance(payload, list) and payload:  # Gemini's compatible endpoint
        payload = cast("list[Any]", payload)[0]
    if isinstance(payload, str):
        return {"message": payload}
    fields = _as_dict(payload)
    inner = fields.get("error")
    if isinstance(inner, str):
        return {**fields, "message": inner}
    return _as_dict(inner) or fields


def _message(fields: dict[str, Any], metadata: dict[str, Any]) -> str:
    """The sentence, with what OpenRouter quotes from the host behind it."""
    message = _text(fields.get("message")) or _text(fields.get("detail"))
    raw = _text(metadata.get("raw"))
    return f"{message}: {raw}" if raw and raw not in message else message


def _text(value: Json) -> str:
    """Mistral and FastAPI hosts put an object where others have a sentence."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _word(value: Json) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _status(value: Json) -> int:
    return value if isinstance(value, int) and value >= 400 else 0


def _as_dict(value: Json) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _plain(body: bytes) -> str:
    """A short text body as it stands; a web page says nothing that a person needs."""
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text
