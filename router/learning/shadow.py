"""Shadow sampling: a share of fast answers is compared with what the deep model would have said.

It happens after the client's answer is complete, a few at a time, within a daily budget of dollars
that the store remembers, and ends when the server stops. Whatever goes wrong costs a comparison, never
a request. Nothing that anybody wrote is kept, only the verdict.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from models.chat import ChatRequest
from models.prices import cost
from models.stream import (
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from models.tokens import estimate_prompt, estimate_tokens
from router.chain import ORDINARY
from router.fleet import Fleet
from router.learning import verdict
from router.learning.records import Comparison
from router.ledger import fill_usage, settle
from router.observe import Observer
from router.outcome import LegRecord
from router.outcomes import Notebook
from router.plan import Target

_log = logging.getLogger(__name__)
_PATIENCE: Final = 120.0  # seconds for one reply; nobody waits for it
_LETTER: Final = 40  # tokens of a verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A finished request that only the fast tier answered."""

    outcome_id: str
    request: ChatRequest
    text: str
    deep: Target  # who would have been asked


@dataclass(slots=True)
class _Run:
    """One comparison under way; its legs are complete whenever it ends."""

    answered: Answered
    judge: Target
    legs: list[LegRecord] = field(default_factory=list[LegRecord])
    qualities: tuple[float, float] | None = None


class _NoReply(Exception):
    """A model gave no whole answer."""


class Shadow:
    """Runs comparisons in the background."""

    def __init__(
        self,
        fleet: Fleet,
        notebook: Notebook,
        observer: Observer,
        *,
        rate: float,
        budget_usd: Decimal,
        now: Callable[[], datetime],
        judge: Target | None = None,
        at_once: int = 2,
    ) -> None:
        """`rate`: the share of fast answers. `budget_usd`: for each day of UTC. `judge`: else the deep model."""
        self.rate = rate
        self._fleet = fleet
        self._notebook = notebook
        self._observer = observer
        self._budget = budget_usd
        self._now = now
        self._judge = judge
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self._purse = asyncio.Lock()
        self._promised = Decimal(0)  # to runs whose bill is not in the store yet

    def offer(self, answered: Answered) -> None:
        """Compare this one, unless enough are under way. Never waits, never raises."""
        if len(self._tasks) >= self._at_once:
            self._observer.comparison_skipped("busy")
            return
        run = _Run(answered, self._judge or answered.deep)
        task = asyncio.create_task(self._afford(run), name=f"shadow {answered.outcome_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """End what is under way; what it has cost is noted."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _afford(self, run: _Run) -> None:
        """Run it if today's budget has room for what it will about cost."""
        try:
            price = self._estimate(run)
            if price is None:
                self._observer.comparison_skipped("no price")
                return
            async with self._purse:
                if self._promised + price > self._budget - await self._spent_today():
                    self._observer.comparison_skipped("budget")
                    return
                self._promised += price
            try:
                await self._compare(run)
            finally:
                self._promised -= price
        except Exception:
            _log.exception("a shadow comparison failed")

    async def _compare(self, run: _Run) -> None:
        try:
            run.qualities = await self._verdict(run)
        except (_NoReply, TimeoutError) as error:
            _log.info("shadow comparison of %s: no verdict: %s", run.answered.outcome_id, error)
        finally:  # also when the server stops: what was billed is in the store
            row = _row(run, self._now())
            written = self._notebook.note(row)
            self._observer.compared(row)
        async with self._purse:  # the budget counts this run once, here or in the store
            await asyncio.wrap_future(written)

    async def _verdict(self, run: _Run) -> tuple[float, float] | None:
        asked, fast = run.answered.request, run.answered.text
        plain = replace(asked, logprobs=False, top_logprobs=None)
        deep = await self._ask(run, run.answered.deep, plain)
        judge = run.judge.asked_as
        replies = [
            await self._ask(run, run.judge, verdict.question(asked, *pair, judge=judge))
            for pair in ((fast, deep), (deep, fast))
        ]
        return verdict.qualities(replies[0], replies[1])

    async def _ask(self, run: _Run, target: Target, request: ChatRequest) -> str:
        """The whole reply of one model."""
        leg = LegRecord(role="upgrade", target=target, opened_because="shadow", started=0.0)
        run.legs.append(leg)
        begun = time.monotonic()
        pieces: list[str] = []
        try:
            stream = self._fleet.provider(target).stream(request, target.card)
            async with asyncio.timeout(_PATIENCE), aclosing(stream):
                async for events in stream:
                    pieces += [_heard(leg, event, time.monotonic() - begun) for event in events]
        finally:
            leg.finish = leg.finish or "stopped"
            leg.ended = time.monotonic() - begun
            fill_usage(leg, request)
            settle(leg, self._now())
            self._observer.called(leg)
        if leg.finish != "stop":
            raise _NoReply(f"{target.name}: {leg.error.message if leg.error else leg.finish}")
        return "".join(pieces)

    def _estimate(self, run: _Run) -> Decimal | None:
        """About what it will cost; None when a price is not known, since no budget would hold then."""
        prompt = estimate_prompt(run.answered.request)
        answer = max(estimate_tokens(run.answered.text), ORDINARY.output)
        judged = Usage(input=prompt + 2 * answer + 200, output=_LETTER)
        deep = self._price(run.answered.deep, Usage(input=prompt, output=answer))
        judge = self._price(run.judge, judged)
        return None if deep is None or judge is None else deep + 2 * judge

    def _price(self, target: Target, usage: Usage) -> Decimal | None:
        return Decimal(0) if target.local else cost(usage, target.card, self._now())

    async def _spent_today(self) -> Decimal:
        midnight = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        return await asyncio.to_thread(self._notebook.compared_usd, midnight.timestamp())


def _heard(leg: LegRecord, event: StreamEvent, after: float) -> str:
    """Note one event in the leg's record; the text in it."""
    match event:
        case TextDelta(text=text):
            leg.received_chars += len(text)
            leg.first_event = after if leg.first_event is None else leg.first_event
            return text
        case ReasoningDelta(text=text):
            leg.received_chars += len(text)
            leg.first_event = after if leg.first_event is None else leg.first_event
        case Started(model=model):
            leg.reply_model = model
        case UsageReported(usage=usage):
            leg.usage, leg.usage_reported = usage, True
        case Finished(reason=reason):
            leg.finish = reason
        case Failed(error=error):
            leg.finish, leg.error = "failed", error
        case _:
            pass
    return ""


def _row(run: _Run, at: datetime) -> Comparison:
    usage = sum((leg.usage for leg in run.legs), Usage())
    costs = [leg.cost_usd or Decimal(0) for leg in run.legs]
    fast, deep = run.qualities or (None, None)
    return Comparison(
        outcome_id=run.answered.outcome_id,
        created=at.timestamp(),
        fast_quality=fast,
        deep_quality=deep,
        model=run.answered.deep.asked_as,
        judge=run.judge.asked_as,
        deep_usd=run.legs[0].cost_usd if run.legs and run.legs[0].finish == "stop" else None,
        cost_usd=sum(costs, Decimal(0)),
        input_tokens=usage.input,
        output_tokens=usage.output,
    )
