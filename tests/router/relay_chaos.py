"""Legs that say anything a provider can say, driven in any order, and what must hold all along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from models.chat import Opaque
from models.errors import HeadstartError, Overloaded, RateLimited, RequestError, StreamBroken
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Replaced,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.plan import Plan
from router.relay import Phase, Relay
from router.transcript import OpenLeg, Step

_REASONS: tuple[FinishReason, ...] = ("stop", "stop", "length", "tool_calls", "content_filter")
_WORD = re.compile(r"w(\d+)x(\d+)")


def reply(leg: int, chance: Random) -> Iterator[StreamEvent]:
    """One leg's events: each word, thought and call is this leg's own. It may end in any way."""
    if chance.random() < 0.15:
        yield Failed(chance.choice([Overloaded, RateLimited, StreamBroken])("no", provider="x"))
        return
    yield Started(f"id{leg}", "m")
    words = calls = thoughts = 0
    for _ in range(chance.randint(0, 25)):
        match chance.choice("ttttttrrfapuc"):
            case "t":
                yield from _word(leg, words, chance)
                words += 1
            case "r":
                opaque = Opaque(vendor="v", kind="signature", value=f"s{leg}x{thoughts}")
                yield ReasoningDelta(f"r{leg}x{thoughts}", chance.choice([None, opaque]))
                thoughts += 1
            case "f":
                yield RefusalDelta(f"f{leg}x{thoughts}")
                thoughts += 1
            case "a":
                yield Alive()
            case "p":
                yield Replaced(0)  # no adapter says so: nothing may come of it
            case "u":
                yield UsageReported(Usage(input=1 + words, output=words))
            case _:
                yield from _call(leg, calls, chance)
                calls += 1
    yield from _ending(words, chance)


def _word(leg: int, number: int, chance: Random) -> Iterator[StreamEvent]:
    behind = chance.choice([" ", " ", ", ", ". ", ".\n\n", "\n- "])
    pieces = [f"w{leg}x{number}{behind}"]
    if chance.random() < 0.3:
        pieces = [f"w{leg}", f"x{number}{behind}"]
    for piece in pieces:
        yield TextDelta(piece, (TokenLogprob(piece, -chance.random() * 4),))


def _call(leg: int, index: int, chance: Random) -> Iterator[StreamEvent]:
    yield ToolCallStarted(index, f"c{leg}x{index}", "read")
    text = json.dumps({"path": f"{leg}x{index}"})
    cut = chance.randint(0, len(text))
    for piece in (text[:cut], text[cut:]):
        yield ToolArgsDelta(index, piece)
    if chance.random() < 0.8:  # else it never ends
        yield ToolCallEnded(index)


def _ending(words: int, chance: Random) -> Iterator[StreamEvent]:
    match chance.choice("fffefs"):
        case "f":
            yield UsageReported(Usage(input=10, output=words))
            yield Finished(chance.choice(_REASONS))
        case "e":
            yield chance.choice([Finished("error", "oops"), Failed(StreamBroken("cut"))])
        case _:
            return  # silence


@dataclass
class Chaos:
    """Drives one relay by chance until the end, and checks what must hold at every step."""

    relay: Relay
    chance: Random
    clock: float = 0.0
    shown: list[StreamEvent] = field(default_factory=list[StreamEvent])
    scripts: dict[int, Iterator[StreamEvent]] = field(
        default_factory=dict[int, Iterator[StreamEvent]]
    )
    heard: dict[int, list[StreamEvent]] = field(default_factory=dict[int, list[StreamEvent]])
    kinds: set[type] = field(default_factory=set[type])
    left: bool = False

    def run(self, plan: Plan, *, refuse: bool, leave: bool) -> None:
        """To the end. A relay that is not done asks to be woken, so a bound on the steps will do."""
        self.do(self.relay.start(self.clock))
        for _ in range(2000):
            if self.relay.phase is Phase.DONE:
                return
            self._act(plan, refuse=refuse, leave=leave)
        raise AssertionError("the relay hangs")

    def _act(self, plan: Plan, *, refuse: bool, leave: bool) -> None:
        roll = self.chance.random()
        if leave and roll < 0.03:
            self.relay.left(self.clock)
            self.left = True
        elif roll < 0.1:
            self.do(self.relay.tick(self.clock))  # too early, or not
        elif roll < 0.2 and self.relay.plan is None:
            refusal = RequestError("nobody may answer this")
            decided = self.relay.refused if refuse else None
            self.do(decided(refusal, self.clock) if decided else self._decided(plan))
        elif roll < 0.3 and self.scripts:
            self.clock += self.chance.random()
        elif self.scripts and roll < 0.97:
            self._speak(self.chance.choice(sorted(self.scripts)))
        elif self.relay.plan is not None or self.scripts:
            self.clock = max(self.clock, self.relay.wake_at)
            self.do(self.relay.tick(self.clock))

    def _decided(self, plan: Plan) -> Step:
        return self.relay.decided(plan, self.clock)

    def _speak(self, leg: int) -> None:
        """One read: also of a leg that was stopped while its bytes were on their way."""
        count = self.chance.randint(1, 4)
        events = [e for _, e in zip(range(count), self.scripts[leg], strict=False)]
        if not events:
            del self.scripts[leg]
            return
        if self.relay.records[leg].ended is None:
            self.heard[leg] += events
        self.kinds |= {type(event) for event in events}
        self.do(self.relay.received(leg, events, self.clock))

    def do(self, step: Step) -> None:
        """Carry a step out."""
        over = self.relay.phase is Phase.DONE
        for opening in step.open:
            self._open(opening)
        for leg in step.stop:
            assert self.relay.records[leg].ended is not None
            if self.chance.random() < 0.8:  # else its last bytes still come
                self.scripts.pop(leg, None)
        self.shown += step.show
        ends = [e for e in self.shown if isinstance(e, Finished | Failed)]
        assert len(ends) == (1 if over and not self.left else 0)
        assert not ends or self.shown[-1] is ends[0]

    def _open(self, opening: OpenLeg) -> None:
        assert opening.leg not in self.heard, "opened twice"
        self.heard[opening.leg] = []
        self.scripts[opening.leg] = reply(opening.leg, self.chance)

    @property
    def text(self) -> str:
        """The answer as a client has it that takes back what is replaced."""
        text = ""
        for event in self.shown:
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, Replaced):
                text = text[: event.start]
        return text

    # -- what must hold ------------------------------------------------------------------------

    def check(self) -> None:
        """Everything, once it is over."""
        self._nothing_runs()
        self._words_are_whole()
        self._asides_are_in_order()
        self._calls_are_whole()
        self._usage_is_recorded()
        self._nothing_comes_after_the_end()

    def _nothing_runs(self) -> None:
        for record in self.relay.records:
            assert record.ended is not None
            assert record.finish != ""
            assert record.ended >= record.started

    def _words_are_whole(self) -> None:
        """Each leg's words are the first of those it said, in one run, the legs in their order."""
        found = [(int(leg), int(number)) for leg, number in _WORD.findall(self.text)]
        assert found == sorted(found)
        for leg, said in self.heard.items():
            numbers = [number for teller, number in found if teller == leg]
            assert numbers == list(range(len(numbers))), "a word is lost, or said twice"
            whole = "".join(e.text for e in said if isinstance(e, TextDelta))
            if leg == self._last_leg() and not self.left and self._end_is(leg):
                assert len(numbers) == len(_WORD.findall(whole)), "the end is lost"

    def _last_leg(self) -> int:
        finished = [
            (record.ended or 0.0, leg)
            for leg, record in enumerate(self.relay.records)
            if record.finish not in {"stopped", "failed"}
        ]
        return max(finished, default=(0.0, -1))[1]

    def _end_is(self, leg: int) -> bool:
        """True when the client's finish is this leg's own."""
        end = self.shown[-1]
        only = sum(r.finish not in {"stopped", "failed"} for r in self.relay.records) == 1
        own = isinstance(end, Finished) and end.reason == self.relay.records[leg].finish
        return only and own and self.relay.error is None

    def _asides_are_in_order(self) -> None:
        shown = [
            e
            for e in self.shown
            if isinstance(e, ReasoningDelta | RefusalDelta) and e.text[:1] in "rf"
        ]
        for leg, said in self.heard.items():
            told = iter(said)
            own = [event for event in shown if event.text[1:].startswith(f"{leg}x")]
            assert all(event in told for event in own), "out of order, or made up"
            shown = [event for event in shown if event not in own]
        assert shown == []

    def _calls_are_whole(self) -> None:
        shown = [
            e for e in self.shown if isinstance(e, ToolCallStarted | ToolArgsDelta | ToolCallEnded)
        ]
        for number in range(0, len(shown), 3):
            started, arguments, ended = shown[number : number + 3]
            assert isinstance(started, ToolCallStarted)
            assert isinstance(arguments, ToolArgsDelta)
            assert isinstance(ended, ToolCallEnded)
            assert {started.index, arguments.index, ended.index} == {number // 3}
            assert json.loads(arguments.text) == {"path": started.id.removeprefix("c")}
        if shown:
            tellers = {e.id.partition("x")[0] for e in shown if isinstance(e, ToolCallStarted)}
            assert len(tellers) == 1, "nobody adds to an answer that a client acts on"

    def _usage_is_recorded(self) -> None:
        for leg, said in self.heard.items():
            reports = [e.usage for e in said if isinstance(e, UsageReported)]
            record = self.relay.records[leg]
            assert record.usage == (reports[-1] if reports else Usage())
            assert record.usage_reported == bool(reports)

    def _nothing_comes_after_the_end(self) -> None:
        late: HeadstartError = RequestError("late")
        steps = [self.relay.tick(self.clock + 1e6), self.relay.refused(late, self.clock)]
        steps += [
            self.relay.received(leg, [TextDelta("late"), Finished("stop")], self.clock)
            for leg in self.heard
        ]
        assert all(step == Step() for step in steps)
