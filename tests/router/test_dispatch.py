"""The dispatcher with providers made of scripts: order, clocks, cancellation, back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from models.card import ModelCard
from models.chat import ChatRequest, Message, Text
from models.errors import HeadstartError, RateLimited, RequestError
from models.stream import (
    Alive,
    Failed,
    Finished,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from router import dispatch as dispatch_module
from router.deadline import Deadlines
from router.dispatch import Dispatch, LegHooks
from router.fleet import Fleet
from router.outcome import LegRecord
from router.plan import Plan
from router.relay import Relay
from tests.router.relay_world import target

pytestmark = pytest.mark.anyio
_FAST, _A, _B = target("fast", local=True, logprobs=True), target("a"), target("b")
_REQUEST = ChatRequest(model="auto", messages=(Message(role="user", parts=(Text(text="Hello?"),)),))


@dataclass
class ScriptedReads:
    """A provider whose reads are given; `None` waits until the leg is cancelled."""

    name: str
    reads: Sequence[Sequence[StreamEvent] | None]
    asked: list[ChatRequest] = field(default_factory=list[ChatRequest])
    closed: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(
        self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        self.asked.append(request)
        self.begun.set()
        try:
            for read in self.reads if streaming else [None]:
                if read is None:
                    await asyncio.Event().wait()
                else:
                    yield read
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        return None


def _texts(*pieces: str) -> list[list[StreamEvent]]:
    return [[TextDelta(piece)] for piece in pieces]


_END: list[StreamEvent] = [UsageReported(Usage(input=3, output=4)), Finished("stop")]


class _Kitchen:
    """A fleet of scripted providers and one relay over it."""

    def __init__(self, *providers: ScriptedReads, plan: Plan | None, limits: Deadlines) -> None:
        self.providers = {p.name: p for p in providers}
        hosted = {t.name: t for t in (_A, _B) if t.provider in self.providers}
        self.fleet = Fleet(self.providers, fast=_FAST, hosted=hosted)
        self.opened: list[LegRecord] = []
        self.ended: list[LegRecord] = []
        self.hooks = LegHooks(opened=self.opened.append, ended=self.ended.append)
        loop = asyncio.get_running_loop()
        self.relay = Relay(
            draft=None if plan else _FAST,
            plan=plan,
            deadlines=limits,
            now=loop.time(),
            second_look=lambda before, _: before,
        )
        self.dispatch = Dispatch(self.fleet, clock=loop.time)

    def run(self, planning: object = None) -> AsyncGenerator[list[StreamEvent], None]:
        return self.dispatch.run(self.relay, _REQUEST, planning=planning, hooks=self.hooks)  # pyright: ignore[reportArgumentType]


def _plan(*deep: object, route: str = "deep", draft: object = None) -> Plan:
    return Plan(route=route, because="test", deep=deep, draft=draft)  # pyright: ignore[reportArgumentType]


async def _all(stream: AsyncGenerator[list[StreamEvent], None]) -> list[StreamEvent]:
    return [event async for batch in stream for event in batch]


def _said(events: list[StreamEvent]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


async def test_draft_then_upgrade_with_one_usage_total_before_the_finish() -> None:
    fast = ScriptedReads("fast", [*_texts("Hello. ", "I am"), None])
    deep = ScriptedReads("a", [*_texts(" World."), _END])
    kitchen = _Kitchen(fast, deep, plan=None, limits=Deadlines())

    async def planning() -> Plan:
        return _plan(_A, draft=_FAST)

    shown = await _all(kitchen.run(planning()))
    assert _said(shown) == "Hello. World."
    assert shown[-2:] == [UsageReported(Usage(input=3, output=4)), Finished("stop")]
    assert (fast.closed, deep.closed) == (1, 1)
    assert deep.asked[0].prefill == "Hello."
    assert (fast.asked[0].logprobs, deep.asked[0].logprobs) == (True, False)
    assert [r.role for r in kitchen.ended] == ["draft", "upgrade"]


async def test_a_failed_leg_rests_and_the_next_carries_on() -> None:
    refused = Failed(RateLimited("slow down", provider="a", retry_after=30.0))
    kitchen = _Kitchen(
        ScriptedReads("a", [[refused]]),
        ScriptedReads("b", [*_texts("Fine."), _END]),
        plan=_plan(_A, _B),
        limits=Deadlines(),
    )
    assert _said(await _all(kitchen.run())) == "Fine."
    assert kitchen.fleet.view().resting == {"a/m"}


async def test_a_stalled_leg_is_cancelled_when_its_time_is_up() -> None:
    slow = ScriptedReads("a", [*_texts("One "), None])
    kitchen = _Kitchen(
        slow,
        ScriptedReads("b", [*_texts(" two."), _END]),
        plan=_plan(_A, _B),
        limits=Deadlines(stall=0.02, deep_first_sentence=0.1),
    )
    assert _said(await _all(kitchen.run())) == "One two."
    assert slow.closed == 2  # the stream, and the second try in one piece


async def test_closing_the_answer_closes_every_leg() -> None:
    deep = ScriptedReads("a", [*_texts("One "), None])
    kitchen = _Kitchen(deep, plan=_plan(_A), limits=Deadlines())
    stream = kitchen.run()
    assert await anext(stream) == [TextDelta("One")]
    await stream.aclose()
    assert deep.closed == 1
    assert [r.finish for r in kitchen.ended] == ["stopped"]


async def test_closing_before_anything_came_closes_too() -> None:
    deep = ScriptedReads("a", [None])
    kitchen = _Kitchen(deep, plan=_plan(_A), limits=Deadlines())
    task = asyncio.create_task(_all(kitchen.run()))
    await deep.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert deep.closed == 1


async def test_a_bug_in_an_adapter_costs_its_leg_only(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedReads):
        async def stream(  # pyright: ignore[reportImplicitOverride]
            self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
        ) -> AsyncGenerator[Sequence[StreamEvent], None]:
            yield [TextDelta("One ")]
            raise KeyError("choices")

    kitchen = _Kitchen(
        Broken("a", []),
        ScriptedReads("b", [*_texts(" two."), _END]),
        plan=_plan(_A, _B),
        limits=Deadlines(),
    )
    assert _said(await _all(kitchen.run())) == "One two."
    assert "leg a/m broke" in caplog.text


async def test_a_request_that_no_plan_can_serve_ends_with_its_error() -> None:
    kitchen = _Kitchen(ScriptedReads("fast", [None]), plan=None, limits=Deadlines())
    wrong = RequestError("too long", param="messages")

    async def planning() -> Plan:
        raise wrong

    assert await _all(kitchen.run(planning())) == [Failed(wrong)]


async def test_a_slow_client_makes_the_upstream_wait() -> None:
    reads = _texts(*(f"w{n} " for n in range(1000)))
    seen = 0

    class Counting(ScriptedReads):
        async def stream(  # pyright: ignore[reportImplicitOverride]
            self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
        ) -> AsyncGenerator[Sequence[StreamEvent], None]:
            nonlocal seen
            for read in [*reads, _END]:
                seen += 1
                yield read

    kitchen = _Kitchen(Counting("a", []), plan=_plan(_A), limits=Deadlines())
    stream = kitchen.run()
    first = await anext(stream)
    for _ in range(50):
        await asyncio.sleep(0)
    assert seen < 200
    rest = await _all(stream)
    assert _said([*first, *rest]) == "".join(f"w{n} " for n in range(1000))


async def test_a_waiting_client_is_told_that_we_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "_ALIVE_AFTER", 0.01)
    kitchen = _Kitchen(ScriptedReads("a", [None]), plan=_plan(_A), limits=Deadlines())
    stream = kitchen.run()
    assert await anext(stream) == [Alive()]
    assert await anext(stream) == [Alive()]
    await stream.aclose()


async def test_nobody_left_is_an_error_with_its_origin() -> None:
    refused = Failed(RateLimited("slow down", provider="a"))
    kitchen = _Kitchen(ScriptedReads("a", [[refused]]), plan=_plan(_A), limits=Deadlines())
    shown = await _all(kitchen.run())
    assert len(shown) == 1
    assert isinstance(shown[0], Failed)
    error: HeadstartError = shown[0].error
    assert error.origin == "a"
