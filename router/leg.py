"""What the relay remembers of its legs beside their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.errors import ProviderStalled, ProviderTimeout
from models.stream import (
    Finished,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from router.deadline import Deadlines
from router.gate import Confidence, Gate
from router.outcome import LegRecord
from router.roster import Runner
from router.seam.splice import Splice
from router.transcript import OpenLeg, Step


class Leg:
    """One open model call: its clock, its seam to the transcript, its unfinished tool calls."""

    def __init__(self, record: LegRecord, now: float, splice: Splice | None) -> None:
        """The call starts now; `splice` joins it to text that was already shown."""
        self.record = record
        self.splice = splice
        self.spoke = False  # content came: text, reasoning or a tool call, not just a ping
        self.last_bytes = now
        self.hedge_at: float | None = None  # when another model is asked beside this one
        self._opened = now
        self._last_content = now
        self._calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}
        self._overheard: Gate | None = None
        self._told: Callable[[Confidence], object] | None = None

    @property
    def ended(self) -> bool:
        """True once it finished, failed or was stopped."""
        return self.record.ended is not None

    def hear(self, event: StreamEvent, now: float) -> None:
        """Count one content event."""
        if not self.spoke:
            self.spoke = True
            self.record.first_event = self.record.started + (now - self._opened)
        self._last_content = now
        if self._overheard is not None:
            self._overheard.hold(event)
            self._tell()
        match event:
            case TextDelta(text=text) | ReasoningDelta(text=text) | RefusalDelta(text=text):
                self.record.received_chars += len(text)
            case ToolArgsDelta(text=text):
                self.record.received_chars += len(text)
            case _:
                pass

    def overhear(self, gate: Gate, told: Callable[[Confidence], object]) -> None:
        """The draft was shown early: go on listening, to tell how sure its first sentence is."""
        self._overheard, self._told = gate, told

    def finished(self, event: Finished) -> None:
        """It ended by itself: what was heard of a first sentence is all of it."""
        if self._overheard is not None:
            self._overheard.finish = event
            self._tell()

    def _tell(self) -> None:
        gate, told = self._overheard, self._told
        if gate is not None and told is not None and (length := gate.sentence()) is not None:
            self._overheard = self._told = None
            told(gate.confidence(length))

    def call_event(
        self, event: ToolCallStarted | ToolArgsDelta | ToolCallEnded
    ) -> tuple[ToolCallStarted, str] | None:
        """Gather a tool call; the whole of it (and its argument text) once it has ended."""
        if isinstance(event, ToolCallStarted):
            self._calls[event.index] = (event, [])
        elif isinstance(event, ToolArgsDelta):
            if event.index in self._calls:
                self._calls[event.index][1].append(event.text)
        elif event.index in self._calls:
            started, arguments = self._calls.pop(event.index)
            return started, "".join(arguments) or "{}"
        return None

    def hedge_is_due(self, now: float) -> bool:
        """True when it is slower than it mostly is."""
        return not self.spoke and self.hedge_at is not None and now >= self.hedge_at

    def due(self, limits: Deadlines) -> float:
        """When this leg is too late, or late enough to ask another one."""
        if not self.spoke and self.hedge_at is not None:
            return self.hedge_at
        if not self.spoke and self.record.role == "draft":
            return self._opened + limits.fast_first_token
        if not self.spoke:
            return self._opened + limits.deep_first_sentence
        # Pings keep a leg alive, but not for longer than a first sentence may take.
        quiet = self.last_bytes + limits.stall
        empty = self._last_content + limits.deep_first_sentence
        return min(quiet, empty)

    def overdue(self) -> ProviderTimeout:
        """The error of a leg that is too late."""
        target = self.record.target
        if self.spoke:
            return ProviderStalled(f"{target.name} stalled in mid-answer", provider=target.provider)
        what = "token" if self.record.role == "draft" else "sentence"
        message = f"{target.name} had no first {what} in time"
        return ProviderTimeout(message, provider=target.provider)


class Legs:
    """All legs of one request, by number. `records` is what the ledger and the outcome read."""

    def __init__(self, begun: float, limits: Deadlines, hedges: Mapping[str, float]) -> None:
        """`begun`: when the request came in. `hedges`: see Plan."""
        self.hedges = hedges
        self.instruction: str | None = None  # see Splice
        self.records: list[LegRecord] = []
        self._legs: list[Leg] = []
        self._begun = begun
        self._limits = limits

    def __getitem__(self, leg: int) -> Leg:
        """The leg of that number."""
        return self._legs[leg]

    def open(
        self, step: Step, runner: Runner, transcript: str, because: str, now: float, *, cut: bool
    ) -> int:
        """Start a leg that goes on from `transcript` (cut at a sentence end or not); its number."""
        target = runner.target
        exact = target.card.abilities.prefill != "none"
        splice: Splice | None = None
        if transcript:
            splice = Splice(
                transcript, exact=exact, after_sentence=cut, instruction=self.instruction
            )
        record = LegRecord(
            role=runner.role,
            target=target,
            opened_because=because,
            started=now - self._begun,
            streaming=runner.streaming,
            transcript_chars=len(transcript),
        )
        leg = Leg(record, now, splice)
        if target.name in self.hedges and runner.streaming and runner.role != "draft":
            leg.hedge_at = now + self.hedges[target.name]
        self._legs.append(leg)
        self.records.append(record)
        opening = OpenLeg(len(self._legs) - 1, target, transcript, runner.streaming, runner.judged)
        step.open.append(opening)
        return len(self._legs) - 1

    def stop(self, step: Step, leg: int | None, now: float) -> None:
        """End a leg, if there is one and it did not end by itself."""
        if leg is not None and not self._legs[leg].ended:
            step.stop.append(leg)
            self.close(leg, "stopped", now)

    def close(self, leg: int, finish: str, now: float) -> None:
        """Note how and when a leg ended."""
        record = self._legs[leg].record
        record.finish, record.ended = finish, now - self._begun

    def running(self, *legs: int | None) -> list[int]:
        """Those of the given legs that have not ended."""
        return [leg for leg in legs if leg is not None and not self._legs[leg].ended]

    def due(self, leg: int) -> float:
        """When that leg is too late."""
        return self._legs[leg].due(self._limits)
