"""The relay: one answer, carried by several legs. A state machine without I/O.

Events of the legs, the plan and the clock go in; what to show, which legs to open and which to
stop comes out. `router.dispatch` does what it says. The states:

    GATE    a draft runs, nothing is shown: its first sentence and the plan are awaited
    CARRY   one leg is shown as it speaks; when it breaks, the next takes the baton
    DONE    the client has its one finish, or its one error

Rules that hold whatever fails when (tests/router/test_relay_laws.py drives the interleavings):
shown text is never repeated, dropped or reordered; there is exactly one end; a tool call is only
shown when it is whole; no leg is open after the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from models.errors import DeadlineExceeded, HeadstartError, ProviderTimeout, StreamBroken
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageReported,
)
from router.baton import Splice
from router.deadline import Deadlines
from router.gate import Confidence, Gate
from router.leg import Leg
from router.outcome import LegRecord
from router.plan import Plan, Role, Target


class Phase(Enum):
    """Where the relay stands."""

    GATE = "gate"
    CARRY = "carry"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """Start this leg, going on from `transcript`."""

    leg: int
    target: Target
    transcript: str


@dataclass(slots=True)
class Step:
    """What the relay wants done, in this order: stop, open, show."""

    show: list[StreamEvent] = field(default_factory=list[StreamEvent])
    open: list[OpenLeg] = field(default_factory=list[OpenLeg])
    stop: list[int] = field(default_factory=list[int])


class Relay:
    """One request's relay. `records` are the legs as the ledger and the outcome read them."""

    def __init__(
        self,
        *,
        draft: Target | None,
        plan: Plan | None,
        deadlines: Deadlines,
        now: float,
        second_look: Callable[[Plan, Confidence], Plan],
        exact_only: bool = False,
    ) -> None:
        """Prepare; `start` opens the first leg.

        draft: speaks first, behind the gate, while `plan` may still be in the making.
        second_look: the policy, asked again once the draft's first sentence stands.
        exact_only: only native prefill may go on after shown text (JSON must not be garbled).
        """
        self.plan = plan
        self.phase = Phase.GATE
        self.records: list[LegRecord] = []
        self.first_shown: float | None = None  # seconds since the request came in
        self.shown_chars = 0
        self.finish: FinishReason | None = None
        self.error: HeadstartError | None = None  # set when the answer is missing or cut short
        self._draft = draft
        self._deadlines = deadlines
        self._begun = now
        self._second_look = second_look
        self._exact_only = exact_only
        self._legs: list[Leg] = []
        self._current: int | None = None
        self._gate = Gate()
        self._shown: list[str] = []
        self._calls_shown = 0
        self._waiting = list(plan.deep) if plan else []  # who may still be asked, in order
        self._rescue = plan.rescue if plan else None

    @property
    def transcript(self) -> str:
        """All text of the answer that the client has been shown."""
        if len(self._shown) > 1:
            self._shown = ["".join(self._shown)]
        return self._shown[0] if self._shown else ""

    @property
    def wake_at(self) -> float:
        """When `tick` must be called next, on the caller's clock."""
        latest = self._begun + self._deadlines.request
        leg = self._current
        if leg is None or self.phase is Phase.DONE or self._legs[leg].ended:
            return latest
        return min(latest, self._legs[leg].due(self._deadlines)[0])

    # -- inputs ---------------------------------------------------------------------------------

    def start(self, now: float) -> Step:
        """The request came in."""
        step = Step()
        if self._draft is not None:
            self._open(step, "draft", self._draft, "plan", now)
        elif self.plan is not None:
            self._carry_on(step, "plan", now)
        return step

    def decided(self, plan: Plan, now: float) -> Step:
        """The policy has looked at the prompt."""
        step = Step()
        if self.plan is not None or self.phase is Phase.DONE:
            return step
        self.plan = plan
        self._waiting, self._rescue = list(plan.deep), plan.rescue
        if self._current is None:
            lost = self.records[0].error if self.records else None
            self._carry_on(step, lost.code if lost else "plan", now)
        elif plan.draft is None:
            self._discard_draft(step, now)
        else:
            self._try_gate(step, now)
        return step

    def received(self, leg: int, events: Sequence[StreamEvent], now: float) -> Step:
        """One network read of a leg."""
        step = Step()
        state = self._legs[leg]
        state.last_bytes = now
        for event in events:
            if state.ended or self.phase is Phase.DONE:
                return step
            if self.phase is Phase.CARRY and type(event) is TextDelta and state.splice is None:
                state.hear(event, now)  # the hot path: one leg, already joined, speaking
                self._show_text(step, event, now)
            else:
                self._event(step, leg, event, now)
        if self.phase is Phase.GATE and leg == self._current:
            self._try_gate(step, now)
        return step

    def refused(self, error: HeadstartError, now: float) -> Step:
        """No plan can be made: the request itself is at fault."""
        step = Step()
        if self.plan is None and self.phase is not Phase.DONE:
            self.error = error
            self._stop_current(step, now)
            self.phase = Phase.DONE
            step.show.append(Failed(error))
        return step

    def left(self, now: float) -> None:
        """The client went away (or the answer is over): nothing runs any more."""
        self._stop_current(Step(), now)
        self.phase = Phase.DONE

    def tick(self, now: float) -> Step:
        """The clock reached `wake_at`."""
        step = Step()
        if self.phase is Phase.DONE:
            return step
        if now >= self._begun + self._deadlines.request:
            self._end_of_time(step, now)
        elif self._current is not None and not self._legs[self._current].ended:
            due, reason = self._legs[self._current].due(self._deadlines)
            if now >= due:
                target = self._legs[self._current].record.target
                error = ProviderTimeout(f"{target.name}: {reason}", provider=target.provider)
                step.stop.append(self._current)
                self._failed(step, self._current, error, now)
        return step

    # -- events of a leg ------------------------------------------------------------------------

    def _event(self, step: Step, leg: int, event: StreamEvent, now: float) -> None:
        state = self._legs[leg]
        match event:
            case Alive():
                pass
            case Started(model=model):
                state.record.reply_model = model
            case UsageReported(usage=usage):
                state.record.usage, state.record.usage_reported = usage, True
            case Failed(error=error):
                self._failed(step, leg, error, now)
            case Finished(reason="error", raw=raw):
                provider = state.record.target.provider
                error = StreamBroken(f"{provider} ended with {raw!r}", provider=provider)
                self._failed(step, leg, error, now)
            case Finished():
                self._finished(step, leg, event, now)
            case _:
                state.hear(event, now)
                if self.phase is Phase.GATE:
                    self._gate.hold(event)
                else:
                    self._carry(step, state, event, now)

    def _carry(self, step: Step, state: Leg, event: StreamEvent, now: float) -> None:
        """Show what a carrying leg says: joined text, reasoning as it is, whole tool calls."""
        match event:
            case TextDelta(text=text) if state.splice is not None:
                joined = state.splice.feed(text)
                if joined is not None:
                    state.splice = None
                    self._show_text(step, TextDelta(joined), now)
            case TextDelta():
                self._show_text(step, event, now)
            case ToolCallStarted() | ToolArgsDelta() | ToolCallEnded():
                whole = state.call_event(event)
                if whole is not None:
                    self._show_call(step, *whole, now)
            case ReasoningDelta() | RefusalDelta():
                self._mark_shown(now)
                step.show.append(event)
            case _:
                pass

    def _finished(self, step: Step, leg: int, event: Finished, now: float) -> None:
        self._close(leg, event.reason, now)
        if self.phase is Phase.GATE:
            self._gate.finish = event  # the gate decides what becomes of it
            return
        splice, self._legs[leg].splice = self._legs[leg].splice, None
        if splice is not None:
            self._show_text(step, TextDelta(splice.finish()), now)
        self._end(step, event, now)

    def _failed(self, step: Step, leg: int, error: HeadstartError, now: float) -> None:
        """A leg broke: the next one goes on from what is shown.

        Text still held at its seam is dropped with it: it was not shown, so it is said again.
        """
        self._legs[leg].record.error = error
        self._close(leg, "failed", now)
        self._current = None
        self._gate = Gate()
        if self.plan is not None:  # else the draft is lost, not the request: the plan goes on
            self._carry_on(step, error.code, now)

    # -- the gate -------------------------------------------------------------------------------

    def _try_gate(self, step: Step, now: float) -> None:
        """Decide about the draft once its first sentence and the plan are both there."""
        if self.plan is None:
            return
        length = self._gate.sentence()
        if length is None:
            return
        self.plan = self._second_look(self.plan, self._gate.confidence(length))
        if self.plan.route == "fast":
            self._release(step, now)
        elif self.plan.draft is not None and length:
            self._hand_over(step, length, now)
        else:
            self._discard_draft(step, now)

    def _release(self, step: Step, now: float) -> None:
        """The draft is the answer: show what is held and let it go on."""
        assert self._current is not None
        gate, self._gate = self._gate, Gate()
        self.phase = Phase.CARRY
        for event in gate.events:
            self._carry(step, self._legs[self._current], event, now)
        if gate.finish is not None:
            self._end(step, gate.finish, now)

    def _hand_over(self, step: Step, length: int, now: float) -> None:
        """Show the draft's first sentence and pass the baton."""
        gate, self._gate = self._gate, Gate()
        self._stop_current(step, now)
        self.phase = Phase.CARRY
        self._show_text(step, TextDelta(gate.text[:length]), now)
        if gate.finish is not None and gate.finish.reason == "length":
            self._end(step, gate.finish, now)  # the client's token limit is used up
        else:
            self._carry_on(step, "plan", now)

    def _discard_draft(self, step: Step, now: float) -> None:
        """Nobody sees this draft: the deep leg answers from the start."""
        self._gate = Gate()
        self._stop_current(step, now)
        self._carry_on(step, "plan", now)

    # -- passing the baton ----------------------------------------------------------------------

    def _carry_on(self, step: Step, because: str, now: float) -> None:
        """Open the next leg, or end if nobody is left who could go on."""
        self.phase = Phase.CARRY
        chosen = self._next()
        if chosen is None:
            self._give_up(step, now)
        else:
            self._open(step, *chosen, because, now)

    def _next(self) -> tuple[Role, Target] | None:
        """Who takes the baton, and as what."""
        plan = self.plan
        assert plan is not None
        if self._calls_shown:
            return None  # a tool call is out: the client acts on it now
        if plan.route == "fast" and plan.draft is not None and not self.records:
            return "draft", plan.draft
        deep_before = any(record.role != "draft" for record in self.records)
        while self._waiting:
            target = self._waiting.pop(0)
            if self._can_join(target):
                first = plan.route == "deep" and not deep_before
                return ("upgrade" if first else "failover"), target
        rescue, self._rescue = self._rescue, None
        if rescue is not None and self._can_join(rescue) and not self._is_broken(rescue):
            return "rescue", rescue
        return None

    def _can_join(self, target: Target) -> bool:
        """Whether this model may go on from what is shown."""
        exact = target.card.abilities.prefill != "none"
        return exact or not (self._exact_only and self.transcript)

    def _is_broken(self, target: Target) -> bool:
        """True when this target failed the request already; being late once is not failing."""
        return any(
            r.target == target and r.error and not isinstance(r.error, ProviderTimeout)
            for r in self.records
        )

    def _open(self, step: Step, role: Role, target: Target, because: str, now: float) -> None:
        started = now - self._begun
        record = LegRecord(role=role, target=target, opened_because=because, started=started)
        transcript = self.transcript
        exact = target.card.abilities.prefill != "none"
        cut = len(self.records) == 1 and self.records[0].finish == "stopped"  # at a sentence end
        splice = Splice(transcript, exact=exact, after_sentence=cut) if transcript else None
        self._current = len(self._legs)
        self._legs.append(Leg(record, now, splice))
        self.records.append(record)
        step.open.append(OpenLeg(self._current, target, transcript))

    def _give_up(self, step: Step, now: float) -> None:
        """Nobody is left. What was shown stays, cut short; nothing shown is an error."""
        plan = self.plan
        if self.error is None:
            because = plan.because if plan else "nothing was decided"
            self.error = self._cause() or HeadstartError(f"no model can answer: {because}")
        if self.first_shown is not None:
            self._end(step, Finished("tool_calls" if self._calls_shown else "length"), now)
            return
        self.phase = Phase.DONE
        step.show.append(Failed(self.error))

    def _cause(self) -> HeadstartError | None:
        """The failure to tell the client: the preferred model's, not that of its last substitute."""
        failed = [record for record in self.records if record.error]
        failed.sort(key=lambda record: record.role == "draft")
        return failed[0].error if failed else None

    def _end_of_time(self, step: Step, now: float) -> None:
        seconds = self._deadlines.request
        self.error = DeadlineExceeded(f"the whole request took longer than {seconds:g} s")
        if self._current is not None:
            self._legs[self._current].record.error = self.error
        self._stop_current(step, now)
        self._give_up(step, now)

    # -- showing and ending ---------------------------------------------------------------------

    def _mark_shown(self, now: float) -> None:
        if self.first_shown is None:
            self.first_shown = now - self._begun

    def _show_text(self, step: Step, event: TextDelta, now: float) -> None:
        if event.text:
            self._mark_shown(now)
            self.shown_chars += len(event.text)
            self._shown.append(event.text)
            step.show.append(event)

    def _show_call(self, step: Step, call: ToolCallStarted, arguments: str, now: float) -> None:
        self._mark_shown(now)
        at = self._calls_shown
        self._calls_shown += 1
        step.show.append(ToolCallStarted(at, call.id, call.name, call.opaque))
        step.show.append(ToolArgsDelta(at, arguments))
        step.show.append(ToolCallEnded(at))

    def _stop_current(self, step: Step, now: float) -> None:
        """End the leg that is open, if it did not end by itself."""
        leg, self._current = self._current, None
        if leg is not None and not self._legs[leg].ended:
            step.stop.append(leg)
            self._close(leg, "stopped", now)

    def _close(self, leg: int, finish: str, now: float) -> None:
        record = self._legs[leg].record
        record.finish, record.ended = finish, now - self._begun

    def _end(self, step: Step, finish: Finished, now: float) -> None:
        """The one finish."""
        self._stop_current(step, now)
        self.phase = Phase.DONE
        self.finish = finish.reason
        step.show.append(finish)
