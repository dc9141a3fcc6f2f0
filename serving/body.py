"""The request body, up to a limit."""

from __future__ import annotations

from starlette.requests import Request

from models.errors import BodyTooLarge


async def read_body(request: Request, limit: int) -> bytes:
    """All bytes of the body; raises `BodyTooLarge` as soon as it is known to be over `limit`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {limit / 1_000_000:g} MB. The limit is `max_body_mb` in [server]."
    )
