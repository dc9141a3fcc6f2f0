"""/v1/feedback: what is taken, and what is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.fake_router import FakeRouter
from tests.serving.live import http, live_edge

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("body", "kind", "value", "leg"),
    [
        ({"thumbs": "up"}, "thumbs", 1.0, None),
        ({"thumbs": "down", "comment": "wrong year"}, "thumbs", 0.0, None),
        ({"score": 0.4}, "score", 0.4, None),
        ({"score": 1}, "score", 1.0, None),
        ({"preferred": "fast"}, "preferred", 1.0, "fast"),
        ({"preferred": "deep"}, "preferred", 1.0, "deep"),
        ({"thumbs": "down", "task": "code"}, "thumbs", 0.0, None),
        ({"task": "code"}, "task", None, None),
    ],
)
async def test_what_was_stored_comes_back(
    body: dict[str, Any], kind: str, value: float | None, leg: str | None
) -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/feedback", json={"id": "hs-1", **body})
    assert reply.status_code == 200
    assert reply.json() == {
        "object": "headstart.feedback",
        "id": "hs-1",
        "created": 1_760_000_000.5,
        "kind": kind,
        "value": value,
        "leg": leg,
        "comment": body.get("comment", ""),
        "task": body.get("task"),
    }


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ({"thumbs": "up"}, "id", "id: this field is required."),
        ({"id": "x"}, None, "Send exactly one of `thumbs`, `score` and `preferred`, and beside or"),
        ({"id": "x", "task": ""}, None, "the right `task` where it was mistaken."),
        ({"id": "x", "comment": "nice"}, None, "Send exactly one of"),
        ({"id": "x", "thumbs": "up", "score": 1}, None, "Send exactly one of"),
        ({"id": "x", "thumbs": "sideways"}, "thumbs", "Use one of up, down."),
        ({"id": "x", "score": 1.5}, "score", "score: 1.5 is not between 0"),
        ({"id": "x", "score": -1}, "score", "score: -1 is not between 0"),
        ({"id": "x", "score": True}, "score", "score: expected a number, got true or false."),
        ({"id": "x", "preferred": "slow"}, "preferred", "Use one of fast, deep"),
        ({"id": "x", "preferred": 3}, "preferred", "there is no leg 3"),
        (
            {"id": "x", "thumb": "up"},
            None,
            "The body: unknown field `thumb`. Did you mean `thumbs`?",
        ),
        ({"id": "x", "thumbs": "up", "comment": "x" * 4001}, "comment", "at most 4000 characters"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    body: dict[str, Any], param: str | None, sentence: str
) -> None:
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/feedback", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, param)
    assert sentence in error["message"]


async def test_a_secret_in_a_comment_is_not_kept() -> None:
    body = {"id": "hs-1", "thumbs": "down", "comment": "it showed sk-abcdefgh12345678 to me"}
    async with live_edge(FakeRouter()) as url, http(url) as client:
        reply = await client.post("/v1/feedback", json=body)
    assert reply.json()["comment"] == "it showed [redacted] to me"
