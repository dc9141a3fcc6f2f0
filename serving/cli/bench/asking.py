"""Asking a Headstart over HTTP, and reading what it says of each leg's tokens and dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import httpx
import msgspec

from models.catalogue import Catalogue
from models.errors import ConfigError, HeadstartError
from models.stream import Usage
from router.compare import LegCost, Sample, Way
from router.ledger import stand_in_cost
from router.providers.sse import SseReader
from serving.cli.bench.questions import Question

# Keep-alives come every ten seconds, so a longer silence is a server that is gone.
_TIMEOUT: Final = httpx.Timeout(10.0, read=60.0)
_Decoded = TypeVar("_Decoded")


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Leg(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    provider: str
    model: str
    usage: Usage
    cost_usd: Decimal | None = None
    finish: str = ""
    stands_in_for: str = ""
    transcript_chars: int = 0
    error: _Error | None = None


class _Summary(msgspec.Struct, frozen=True, kw_only=True):
    legs: tuple[_Leg, ...] = ()
    first_shown_s: float | None = None


class _Chunk(msgspec.Struct, frozen=True):
    headstart: _Summary | None = None
    error: _Error | None = None


class _Target(msgspec.Struct, frozen=True):
    name: str
    local: bool
    stands_in_for: str


class _Plan(msgspec.Struct, frozen=True):
    deep: tuple[_Target, ...]
    rescue: _Target | None


class _Route(msgspec.Struct, frozen=True):
    plan: _Plan


class Asking:
    """One Headstart, asked one question at a time. Use as an async context manager."""

    def __init__(self, url: str, *, catalogue: Catalogue, max_tokens: int, key: str = "") -> None:
        """`catalogue` has the prices of models whose place the engine takes."""
        self._url = url.rstrip("/").removesuffix("/v1")
        self._catalogue = catalogue
        self._max_tokens = max_tokens
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            base_url=self._url, headers=headers, timeout=_TIMEOUT, trust_env=False
        )

    async def __aenter__(self) -> Asking:
        """Nothing is opened before the first question."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, question: Question, way: Way, key: str) -> Sample:
        """Ask one question in one way; what goes wrong is the sample's fault. `key` names it."""
        try:
            summary = await self._answer(self._body(question, way))
        except httpx.HTTPError as error:
            return Sample(way=way, question=key, fault=f"no answer ({type(error).__name__})")
        except HeadstartError as error:
            return Sample(way=way, question=key, fault=error.message)
        legs = tuple(self._cost(leg) for leg in summary.legs)
        return Sample(way=way, question=key, legs=legs, first_shown=summary.first_shown_s)

    async def paid_models(self, questions: Iterable[Question]) -> tuple[str, ...]:
        """The models of paid hosts that these questions may reach; none where the engine stands in.

        Raises `ConfigError` when it cannot be reached, or has nobody to draft or to continue.
        """
        examples = {question.task: question for question in questions}
        paid: dict[str, None] = {}
        for question in examples.values():
            plan = await self._route(self._body(question, "deep"))
            if not plan.deep:
                raise ConfigError(f"The Headstart at {self._url} has no hosted model to compare.")
            if plan.rescue is None:
                raise ConfigError(
                    f"The Headstart at {self._url} has no fast tier that could draft."
                )
            paid |= {target.name: None for target in plan.deep if not target.local}
        return tuple(paid)

    def _body(self, question: Question, way: Way) -> dict[str, Any]:
        extension: dict[str, Any] = {"mode": "deep", "task": question.task}
        if way != "deep":  # a threshold that no draft reaches
            extension |= {"mode": "auto", "merge": way, "threshold": 1}
        return {
            "model": "auto",
            "messages": [{"role": "user", "content": question.prompt}],
            "max_tokens": self._max_tokens,
            "stream": True,
            "headstart": extension,
        }

    async def _answer(self, body: Mapping[str, Any]) -> _Summary:
        """The `headstart` object of a streamed answer; raises HeadstartError for a refusal."""
        reader, last = SseReader(), _Chunk()
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as reply:
            if not reply.is_success:
                raise HeadstartError(_message(await reply.aread(), reply.status_code))
            async for data in reply.aiter_bytes():
                for event in reader.feed(data):
                    if event.data != b"[DONE]":
                        last = _decoded(event.data, _Chunk)
        if last.error is not None:
            raise HeadstartError(last.error.message)
        if last.headstart is None:
            raise HeadstartError("the answer ended without a `headstart` object")
        return last.headstart

    async def _route(self, body: Mapping[str, Any]) -> _Plan:
        try:
            reply = await self._client.post("/v1/route", json=body)
        except httpx.HTTPError as error:
            raise ConfigError(
                f"No Headstart answers at {self._url} ({type(error).__name__}): start one with "
                "`headstart up`, or leave --url out."
            ) from None
        if not reply.is_success:
            told = _message(reply.content, reply.status_code)
            raise ConfigError(f"The Headstart at {self._url} refuses: {told}")
        return _decoded(reply.content, _Route).plan

    def _cost(self, leg: _Leg) -> LegCost:
        usd = leg.cost_usd
        if leg.stands_in_for:
            card = self._catalogue.card(leg.stands_in_for)
            usd = stand_in_cost(leg.usage, card, datetime.now(UTC))
        return LegCost(
            role=leg.role,
            model=leg.stands_in_for or f"{leg.provider}/{leg.model}",
            usage=leg.usage,
            usd=usd,
            transcript_chars=leg.transcript_chars,
            finish=leg.finish,
            error=leg.error.message if leg.error else "",
            stand_in=leg.model if leg.stands_in_for else "",
        )


def _decoded(data: bytes, kind: type[_Decoded]) -> _Decoded:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise HeadstartError(f"not a reply of a Headstart: {error}") from None


def _message(body: bytes, status: int) -> str:
    """The sentence of an error reply."""
    try:
        error = msgspec.json.decode(body, type=_Chunk).error
    except msgspec.DecodeError:
        error = None
    return error.message if error and error.message else f"it answers {status}"
