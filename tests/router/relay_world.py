"""A world for the relay: scripted models that continue one known answer, and a clock by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from models.card import Abilities, ModelCard
from models.errors import HeadstartError, Overloaded, StreamBroken
from models.stream import (
    Failed,
    Finished,
    ReasoningDelta,
    Replaced,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    Usage,
    UsageReported,
)
from router.deadline import Deadlines
from router.gate import Confidence
from router.plan import Plan, Target
from router.relay import Phase, Relay
from router.seam.anchor import anchor
from router.transcript import OpenLeg, Step

ANSWER = (
    "The Rhine rises in the Alps. It flows through six countries before it reaches the sea, "
    "and 1,233 km lie between source and mouth. Barges carry ore, grain and oil on it: about "
    "300 million tonnes a year. In dry summers the water at Kaub falls below 40 cm, and then "
    "half-empty ships cost the industry dearly."
)


def target(
    name: str, *, prefill: bool = True, local: bool = False, logprobs: bool = False
) -> Target:
    """A target whose card says whether it continues by itself."""
    abilities = Abilities(prefill="assistant_turn" if prefill else "none", logprobs=logprobs)
    card = ModelCard(provider=name, id="m", abilities=abilities, window=32_000)
    return Target(provider=name, card=card, local=local)


@dataclass(frozen=True)
class Script:
    """How a model behaves: piece size, and what goes wrong after how many characters."""

    piece: int = 7
    fault: str = "none"  # none | refuse | break | stall | mute
    after: int = 0
    echo: bool = True  # begins with the last words, as the instruction asks
    restart: bool = False  # disobeys: says the whole answer again from its start
    logprob: float = -0.1

    def pieces(self, opening: OpenLeg) -> Iterator[StreamEvent]:
        """The reply to this opening; ends early where the fault says so."""
        if self.fault == "stall" and not opening.streaming:
            return
        if self.fault == "refuse":
            yield Failed(Overloaded("busy", provider=opening.target.provider))
            return
        yield Started("id", "m")
        text = self._text(opening)
        said = 0
        while said < len(text):
            if self.fault in {"break", "stall"} and said >= self.after:
                break
            piece = text[said : said + self.piece]
            said += len(piece)
            yield TextDelta(piece, (TokenLogprob(piece, self.logprob),))
        if self.fault in {"stall", "mute"}:
            return
        if self.fault == "break":
            yield Failed(StreamBroken("cut", provider=opening.target.provider))
            return
        yield UsageReported(Usage(input=10, output=5))
        yield Finished("stop")

    def _text(self, opening: OpenLeg) -> str:
        if self.fault == "mute":
            return ""
        said = opening.transcript
        assert ANSWER.startswith(said), f"the baton lost text: {said!r}"
        if not said or self.restart:
            return ANSWER if not said or not _prefills(opening) else ANSWER[len(said) :]
        if _prefills(opening):
            return ANSWER[len(said) :]
        if " " not in said:
            return ANSWER  # to begin with the first word is to begin
        rest = ANSWER[len(said.rstrip()) :]
        return anchor(said) + rest if self.echo else rest.lstrip()


def _prefills(opening: OpenLeg) -> bool:
    return opening.target.card.abilities.prefill != "none"


@dataclass
class World:
    """Drives one relay to its end and checks what must hold at every step."""

    relay: Relay
    scripts: dict[str, Script]
    clock: float = 0.0
    shown: list[StreamEvent] = field(default_factory=list[StreamEvent])
    running: dict[int, Iterator[StreamEvent]] = field(
        default_factory=dict[int, Iterator[StreamEvent]]
    )
    opened: list[OpenLeg] = field(default_factory=list[OpenLeg])

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

    @property
    def thoughts(self) -> str:
        """All reasoning shown."""
        return "".join(e.text for e in self.shown if isinstance(e, ReasoningDelta))

    @property
    def ends(self) -> list[StreamEvent]:
        """Finishes and errors that the client saw."""
        return [e for e in self.shown if isinstance(e, Finished | Failed)]

    def do(self, step: Step) -> None:
        """Carry a step out."""
        for leg in step.stop:
            self.running.pop(leg, None)
        for opening in step.open:
            assert not self.ends, "a leg was opened after the end"
            self.opened.append(opening)
            script = self.scripts[opening.target.provider]
            self.running[opening.leg] = script.pieces(opening)
        for event in step.show:
            assert not self.ends, "something was shown after the end"
            self.shown.append(event)

    def speak(self, leg: int, count: int) -> None:
        """One read of this leg with up to `count` events."""
        events = [e for _, e in zip(range(count), self.running.get(leg, iter(())), strict=False)]
        if events:
            self.do(self.relay.received(leg, events, self.clock))
        else:
            self.running.pop(leg, None)

    def wait(self) -> None:
        """Nothing comes: the clock runs to the relay's next deadline."""
        self.clock = max(self.clock, self.relay.wake_at)
        self.do(self.relay.tick(self.clock))

    def run(self, choose: Callable[[list[int]], int] = lambda legs: legs[-1]) -> None:
        """Until the end; every wait makes progress, so a bound on the steps is a hang test."""
        for _ in range(5000):
            if self.relay.phase is Phase.DONE:
                return
            if self.running:
                self.speak(choose(sorted(self.running)), 3)
            else:
                self.wait()
        raise AssertionError("the relay hangs")


def world(
    scripts: dict[str, Script],
    *,
    plan: Plan | None,
    draft: Target | None,
    second_look: Callable[[Plan, Confidence], Plan] = lambda plan, _: plan,
    sure_early: Callable[[Plan, Confidence], bool] = lambda _plan, _confidence: False,
    exact_only: bool = False,
    deadlines: Deadlines | None = None,
) -> World:
    """A relay that has started."""
    relay = Relay(
        draft=draft,
        plan=plan,
        deadlines=deadlines or Deadlines(),
        now=0.0,
        second_look=second_look,
        sure_early=sure_early,
        exact_only=exact_only,
    )
    made = World(relay, scripts)
    made.do(relay.start(0.0))
    return made


def last_error(made: World) -> HeadstartError | None:
    """The error the client got, if it got one instead of an answer."""
    end = made.ends[-1]
    return end.error if isinstance(end, Failed) else None
