"""HttpProvider passes on what the headers of good replies say of allowances."""

from __future__ import annotations

import pytest

from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from tests.router.providers.upstream import END, FINISH, HELLO, SSE, Scripted, ask, body, head

pytestmark = pytest.mark.anyio
_USED_UP = ("X-RateLimit-Remaining-Requests: 0", "X-RateLimit-Reset-Requests: 1m26.4s")


async def _told(
    status: int, *headers: str, kind: str = SSE, data: bytes = HELLO + FINISH
) -> list[tuple[str, float, str]]:
    told: list[tuple[str, float, str]] = []

    def limited(target: str, seconds: float, header: str) -> None:
        told.append((target, seconds, header))

    async with Scripted(head(status, kind, *headers), body(data), END) as server:
        url = f"{server.origin}/v1"
        await ask(HttpProvider("host", OpenAIFormat(), base_url=url, limited=limited))
    return told


async def test_a_good_reply_with_nothing_left() -> None:
    assert await _told(200, *_USED_UP) == [
        ("host/some-model", pytest.approx(86.4), "x-ratelimit-remaining-requests")
    ]


async def test_a_reply_with_something_left_or_without_such_headers() -> None:
    assert not await _told(200, "x-ratelimit-remaining-requests: 1", _USED_UP[1])
    assert not await _told(200)


async def test_an_error_says_it_by_itself() -> None:
    assert not await _told(429, *_USED_UP, kind="application/json", data=b"{}")
