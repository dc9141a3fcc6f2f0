"""Server-sent events, as they are framed on the wire."""

from __future__ import annotations

CONTENT_TYPE = "text/event-stream; charset=utf-8"
KEEP_ALIVE = b": keep-alive\n\n"  # a comment: every client of the chat dialects ignores it
DONE = b"data: [DONE]\n\n"


def data(payload: bytes) -> bytes:
    """One event; `payload` holds no line break (JSON has none)."""
    return b"data: " + payload + b"\n\n"
