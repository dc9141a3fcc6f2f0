"""Carries out what the relay says: opens legs, stops them, keeps its clock, feeds it events.

One task per leg pumps network reads into one inbox; the generator that the client reads from
drives the relay. Nothing is created per token. Closing the generator (the client left) cancels
every leg, which closes its upstream connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from classifier.draft import ALTERNATIVES
from models.chat import ChatRequest
from models.errors import HeadstartError
from models.stream import Alive, Failed, Finished, StreamEvent, Usage, UsageReported
from router.baton import continuation
from router.deadline import Clock
from router.fleet import Fleet
from router.outcome import LegRecord
from router.plan import Plan
from router.relay import Phase, Relay
from router.transcript import OpenLeg, Step

_log = logging.getLogger(__name__)
_ALIVE_AFTER = 10.0  # seconds of silence after which a waiting client is told that we live
_INBOX_READS = 64  # a client that reads slowly makes the upstream wait behind this many reads


@dataclass(frozen=True, slots=True)
class _Read:
    """One network read of a leg."""

    leg: int
    events: Sequence[StreamEvent]


class _Inbox:
    """What happened since the relay last looked. Made for one reader in one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[_Read | Plan | HeadstartError] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    def put(self, item: _Read | Plan | HeadstartError) -> None:
        self._items.append(item)
        if len(self._items) >= _INBOX_READS:
            self._room.clear()
        self._wake()

    def take(self) -> list[_Read | Plan | HeadstartError]:
        items = list(self._items)
        self._items.clear()
        self._room.set()
        return items

    async def room(self) -> None:
        """Wait until the reader has caught up."""
        await self._room.wait()

    async def wait(self, seconds: float) -> None:
        """Return when something is there, or after so many seconds."""
        if self._items:
            return
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(max(seconds, 0.0), self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegHooks:
    """Called when a leg is opened and when its record is complete (ledger, spans, health)."""

    opened: Callable[[LegRecord], None]
    ended: Callable[[LegRecord], None]


class Dispatch:
    """Runs relays over a fleet."""

    def __init__(
        self, fleet: Fleet, *, instruction: str | None = None, clock: Clock = time.monotonic
    ) -> None:
        """`instruction` replaces the built-in sentence that asks a model to go on."""
        self._fleet = fleet
        self._instruction = instruction
        self._clock = clock

    async def run(
        self,
        relay: Relay,
        request: ChatRequest,
        *,
        planning: Awaitable[Plan] | None,
        hooks: LegHooks,
    ) -> AsyncGenerator[list[StreamEvent], None]:
        """The events to show, a batch for each wake-up that shows any.

        Ends with one `UsageReported` (all legs) and one `Finished`, or with one `Failed`. An
        `Alive` stands for a while without anything to show. `planning` makes the plan of a relay
        that started without one; a RequestError of it ends the request.
        """
        run = _Run(relay, request, self._fleet, self._instruction, hooks, self._clock)
        last_sent = self._clock()
        try:
            if planning is not None:
                run.plan_with(planning)
            step = relay.start(self._clock(), instruction=self._instruction)
            while True:
                shown = run.perform(step)
                if shown:
                    last_sent = self._clock()
                    yield shown
                if relay.phase is Phase.DONE:
                    return
                until = min(relay.wake_at, last_sent + _ALIVE_AFTER)
                await run.inbox.wait(until - self._clock())
                now = self._clock()
                step = run.take(now)
                if not step.show and now >= last_sent + _ALIVE_AFTER:
                    last_sent = now
                    yield [Alive()]
        finally:
            await run.close()


class _Run:
    """The tasks of one request."""

    def __init__(
        self,
        relay: Relay,
        request: ChatRequest,
        fleet: Fleet,
        instruction: str | None,
        hooks: LegHooks,
        clock: Clock,
    ) -> None:
        self.inbox = _Inbox()
        self._relay = relay
        self._request = request
        self._fleet = fleet
        self._instruction = instruction
        self._hooks = hooks
        self._clock = clock
        self._pumps: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: set[int] = set()

    def plan_with(self, planning: Awaitable[Plan]) -> None:
        """Make the plan beside the draft."""

        async def plan() -> None:
            try:
                self.inbox.put(await planning)
            except HeadstartError as error:
                self.inbox.put(error)

        self._tasks.add(asyncio.create_task(plan(), name="plan"))

    def take(self, now: float) -> Step:
        """Feed the relay everything that happened, then the clock."""
        total = Step()
        for item in self.inbox.take():
            match item:
                case _Read(leg=leg, events=events):
                    _extend(total, self._relay.received(leg, events, now))
                case Plan():
                    _extend(total, self._relay.decided(item, now))
                case HeadstartError():
                    _extend(total, self._relay.refused(item, now))
        if now >= self._relay.wake_at:
            _extend(total, self._relay.tick(now))
        return total

    def perform(self, step: Step) -> list[StreamEvent]:
        """Stop and open legs; the events to show, with the usage total before the finish."""
        for leg in step.stop:
            self._pumps[leg].cancel()
        for opening in step.open:
            if opening.leg not in step.stop:
                self._open(opening)
        self._settle()
        show = step.show
        if show and isinstance(show[-1], Finished):
            total = sum((record.usage for record in self._relay.records), Usage())
            show.insert(-1, UsageReported(total))
        return show

    async def close(self) -> None:
        """Cancel what still runs and wait until its connections are closed."""
        tasks = [*self._tasks, *self._pumps.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._relay.left(self._clock())
        self._settle()

    def _open(self, opening: OpenLeg) -> None:
        record = self._relay.records[opening.leg]
        self._fleet.leg_opened(record)
        self._hooks.opened(record)
        pump = self._pump(opening)
        self._pumps[opening.leg] = asyncio.create_task(pump, name=f"leg {opening.target.name}")

    def _settle(self) -> None:
        """Tell the hooks of every leg that ended."""
        for leg, record in enumerate(self._relay.records):
            if record.ended is not None and leg not in self._settled:
                self._settled.add(leg)
                self._fleet.leg_ended(record)
                self._hooks.ended(record)

    async def _pump(self, opening: OpenLeg) -> None:
        """Read one leg until its end."""
        target = opening.target
        prefills = target.card.abilities.prefill != "none"
        inbox = self.inbox
        try:
            request = continuation(
                self._request,
                opening.transcript,
                prefills=prefills,
                instruction=self._instruction,
            )
            if opening.judged and target.card.abilities.logprobs:
                request = replace(request, logprobs=True, top_logprobs=ALTERNATIVES)
            provider = self._fleet.provider(target)
            stream = provider.stream(request, target.card, streaming=opening.streaming)
            async with aclosing(stream):
                async for events in stream:
                    inbox.put(_Read(opening.leg, events))
                    await inbox.room()
        except HeadstartError as error:  # this model's wire format cannot carry the request
            inbox.put(_Read(opening.leg, (Failed(error),)))
        except Exception as error:  # a bug in an adapter costs its leg, not the request
            _log.exception("leg %s broke", target.name)
            failure = HeadstartError(f"{target.name}: {type(error).__name__} in its adapter")
            inbox.put(_Read(opening.leg, (Failed(failure),)))


def _extend(total: Step, step: Step) -> None:
    total.stop += step.stop
    total.open += step.open
    total.show += step.show
