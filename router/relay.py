"""The relay: one answer, carried by several legs. A state machine without I/O.

Events of the legs, the plan and the clock go in; what to show, which legs to open and which to
stop comes out. `router.dispatch` does what it says. The states:

    GATE    a draft runs, nothing is shown: its first sentence and the plan are awaited
    CARRY   one leg is shown as it speaks; when it breaks, the next takes the baton
    DONE    the client has its one finish, or its one error

In merge mode `continue` one leg is open at a time. In the others the draft goes on beside the
deep leg (`router.beside`) until that one speaks.

Rules that hold whatever fails when (tests/router/test_relay_laws.py drives the interleavings):
shown text is never repeated, dropped or reordered; there is exactly one end; a tool call is only
shown when it is whole; no leg is open after the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial

from models.errors import DeadlineExceeded, HeadstartError, ProviderTimeout, StreamBroken
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
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageReported,
)
from router.beside import Beside
from router.deadline import Deadlines
from router.fences import closing
from router.gate import Confidence, Gate
from router.leg import Leg, Legs
from router.outcome import LegRecord
from router.plan import Plan, Target
from router.roster import Roster, Runner, cause
from router.transcript import Step, Transcript


class Phase(Enum):
    """Where the relay stands."""

    GATE = "gate"
    CARRY = "carry"
    DONE = "done"


class Relay:
    """One request's relay."""

    def __init__(
        self,
        *,
        draft: Target | None,
        plan: Plan | None,
        deadlines: Deadlines,
        now: float,
        second_look: Callable[[Plan, Confidence], Plan],
        sure_early: Callable[[Plan, Confidence], bool] = lambda _plan, _confidence: False,
        exact_only: bool = False,
        whole_words: bool = True,
    ) -> None:
        """Prepare; `start` opens the first leg.

        draft: speaks first, behind the gate, while `plan` may still be in the making.
        second_look: the policy, asked again once the draft's first sentence stands.
        sure_early: the policy's word that a fast plan need not wait for that sentence.
        exact_only: only native prefill may go on after shown text (JSON must not be garbled).
        whole_words: show words when they are whole; False where each token counts (logprobs).
        """
        self.plan = plan
        self.phase = Phase.GATE
        self.shown = Transcript(now, whole_words=whole_words)
        self.finish: FinishReason | None = None
        self.error: HeadstartError | None = None  # set when the answer is missing or cut short
        self._draft = draft
        self._deadlines = deadlines
        self._begun = now
        self._second_look = second_look
        self._sure_early = sure_early
        self._exact_only = exact_only
        self._roster = Roster(plan, exact_only=exact_only) if plan else None
        self._legs = Legs(now, deadlines, hedges=plan.hedges if plan else {})
        self._current: int | None = None  # the leg that the client hears
        self._rival: int | None = (
            None  # asked beside it because it is slow: the first to speak wins
        )
        self._waits: tuple[float, Runner] | None = None  # a busy host that is asked once more, then
        self._gate = Gate()
        self._beside = Beside(self._legs, self.shown, second_look)

    @property
    def records(self) -> list[LegRecord]:
        """What happened to each leg, in the order they were opened."""
        return self._legs.records

    @property
    def wake_at(self) -> float:
        """When `tick` must be called next, on the caller's clock."""
        latest = self._begun + self._deadlines.request
        if self.phase is Phase.DONE:
            return latest
        waits = [self._waits[0]] if self._waits else []
        return min([latest, *waits, *(self._legs.due(leg) for leg in self._running())])

    # -- inputs ---------------------------------------------------------------------------------

    def start(self, now: float, *, instruction: str | None = None) -> Step:
        """The request came in. `instruction`: by which legs are asked to go on, if not the built-in."""
        step = Step()
        self._legs.instruction = instruction
        if self._draft is not None:
            self._open(step, Runner("draft", self._draft, judged=True), "plan", now)
            if self.plan is not None:
                self._begin_plan(step, self.plan, now)
        elif self.plan is not None:
            self._carry_on(step, "plan", now)
        return step

    def decided(self, plan: Plan, now: float) -> Step:
        """The policy has looked at the prompt."""
        step = Step()
        if self.plan is None and self.phase is not Phase.DONE:
            self.plan = plan
            self._roster = Roster(plan, exact_only=self._exact_only)
            self._legs.hedges = plan.hedges
            self._begin_plan(step, plan, now)
        return step

    def received(self, leg: int, events: Sequence[StreamEvent], now: float) -> Step:
        """One network read of a leg."""
        step = Step()
        state = self._legs[leg]
        state.last_bytes = now
        for event in events:
            if state.ended or self.phase is Phase.DONE:
                return step
            if type(event) is TextDelta and self._speaks_freely(leg, state):
                state.hear(event, now)  # the hot path: one leg, already joined, speaking
                self.shown.show_text(step, event, now)
            else:
                self._event(step, leg, event, now)
        if leg == self._beside.leg:
            self._beside.tend(step, now)
        elif self.phase is Phase.GATE and leg == self._current:
            self._try_gate(step, now)
        return step

    def refused(self, error: HeadstartError, now: float) -> Step:
        """No plan can be made: the request itself is at fault."""
        step = Step()
        if self.plan is None and self.phase is not Phase.DONE:
            self.error = error
            self._stop_all(step, now)
            self.phase = Phase.DONE
            step.show.append(Failed(error))
        return step

    def left(self, now: float) -> None:
        """The client went away (or the answer is over): nothing runs any more."""
        self._stop_all(Step(), now)
        self.phase = Phase.DONE

    def tick(self, now: float) -> Step:
        """The clock reached `wake_at`."""
        step = Step()
        if self.phase is Phase.DONE:
            return step
        if now >= self._begun + self._deadlines.request:
            self._end_of_time(step, now)
            return step
        if self._waits is not None and now >= self._waits[0]:
            runner, self._waits = self._waits[1], None
            self._open(step, runner, "busy", now)
        for leg in self._running():
            if self._over():
                break
            if leg == self._current and self._legs[leg].hedge_is_due(now):
                self._hedge(step, leg, now)
            elif now >= self._legs.due(leg):
                step.stop.append(leg)
                self._failed(step, leg, self._legs[leg].overdue(), now)
        return step

    # -- events of a leg ------------------------------------------------------------------------

    def _speaks_freely(self, leg: int, state: Leg) -> bool:
        """True when this leg's text may go out as it comes."""
        return (
            self.phase is Phase.CARRY
            and leg == self._current
            and state.splice is None
            and self._beside.leg is None
            and self._rival is None
            and not self.shown.provisional
        )

    def _event(self, step: Step, leg: int, event: StreamEvent, now: float) -> None:
        state = self._legs[leg]
        match event:
            case Alive() | Replaced():
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
                if leg == self._beside.leg:
                    self._beside.hold(event)
                elif self.phase is Phase.GATE:
                    self._gate.hold(event)
                else:
                    self._settle_rivalry(step, leg, now)
                    self._carry(step, state, event, now)

    def _carry(self, step: Step, state: Leg, event: StreamEvent, now: float) -> None:
        """Show what a carrying leg says: joined text, reasoning as it is, whole tool calls."""
        match event:
            case TextDelta(text=text):
                splice = state.splice
                joined = text if splice is None else splice.feed(text)
                if joined is not None:
                    self._beside.part(step, now)
                    state.splice = None if splice is None or splice.over else splice
                    self.shown.show_text(step, TextDelta(joined) if splice else event, now)
            case ToolCallStarted() | ToolArgsDelta() | ToolCallEnded():
                whole = state.call_event(event)
                if whole is not None:
                    self._beside.part(step, now)
                    self._finish_seam(step, state, now)  # its text comes before the call
                    self.shown.show_call(step, *whole, now)
            case ReasoningDelta() | RefusalDelta():
                if self.plan is not None and self.plan.merge == "thinking":
                    self._beside.part(step, now)
                self.shown.show_aside(step, event, now)
            case _:
                pass

    def _finished(self, step: Step, leg: int, event: Finished, now: float) -> None:
        self._legs.close(leg, event.reason, now)
        self._legs[leg].finished(event)
        if leg == self._beside.leg:
            self._beside.finished(event)
            return
        if self.phase is Phase.GATE:
            self._gate.finish = event  # the gate decides what becomes of it
            return
        self._settle_rivalry(step, leg, now)
        self._finish_seam(step, self._legs[leg], now)
        began = self._legs[leg].record.transcript_chars
        if began and event.reason == "stop":
            self.shown.flush(step, now)
            self.shown.show_text(step, TextDelta(closing(self.shown.text, began)), now)
        self._end(step, event, now)

    def _finish_seam(self, step: Step, state: Leg, now: float) -> None:
        """Show what is still held at the leg's seam: nothing will be added to it."""
        splice, state.splice = state.splice, None
        if splice is not None:
            self.shown.show_text(step, TextDelta(splice.finish()), now)

    def _failed(self, step: Step, leg: int, error: HeadstartError, now: float) -> None:
        """A leg broke: the next one goes on from what is shown.

        Text still held at its seam is dropped with it: it was not shown, so it is said again.
        """
        self._legs[leg].record.error = error
        self._legs.close(leg, "failed", now)
        if leg == self._beside.leg:
            self._beside.drop(step, now)
            return
        if self._rival is not None:  # two were asked: the other one goes on alone
            self._current = self._rival if leg == self._current else self._current
            self._rival = None
            return
        self._current = None
        self._gate = Gate()
        if self.plan is None:
            return  # the draft is lost, not the request: the plan goes on
        late = isinstance(error, ProviderTimeout) and not self._legs[leg].spoke
        if late and self.plan.merge == "hold" and self._beside.leg is not None:
            self._adopt_draft(step, now)
        else:
            self._carry_on(step, error.code, now)

    def _settle_rivalry(self, step: Step, leg: int, now: float) -> None:
        """The first of two to speak carries on; the other is not needed."""
        if self._rival is not None:
            loser = self._rival if leg == self._current else self._current
            self._current, self._rival = leg, None
            self._legs.stop(step, loser, now)

    # -- the gate -------------------------------------------------------------------------------

    def _begin_plan(self, step: Step, plan: Plan, now: float) -> None:
        """The plan meets the draft, if there still is one."""
        if self._current is None:
            lost = self.records[0].error if self.records else None
            self._carry_on(step, lost.code if lost else "plan", now)
        elif plan.draft is None:
            self._discard_draft(step, now)
        elif plan.route == "deep" and plan.deep and plan.merge != "continue":
            self._step_aside(step, plan, now)
        else:
            self._try_gate(step, now)

    def _step_aside(self, step: Step, plan: Plan, now: float) -> None:
        """The draft goes on beside the deep leg, as the merge mode says."""
        draft, self._current = self._current, None
        assert draft is not None
        gate, self._gate = self._gate, Gate()
        self._beside.begin(step, draft, gate, plan, now)
        self._carry_on(step, "plan", now)

    def _try_gate(self, step: Step, now: float) -> None:
        """Decide about the draft once its first sentence and the plan are both there."""
        if self.plan is None:
            return
        length = self._gate.sentence()
        if length is None:
            words = self._gate.confidence(len(self._gate.text))
            if self._sure_early(self.plan, words) and self._current is not None:
                told = partial(self._second_look, self.plan)  # for the record: it is decided
                self._legs[self._current].overhear(self._gate, told)
                self._release(step, now)
            return
        self.plan = plan = self._second_look(self.plan, self._gate.confidence(length))
        if plan.route == "fast":
            self._release(step, now)
        elif plan.draft is None or not length:
            self._discard_draft(step, now)
        elif plan.merge != "continue" and plan.deep:
            self._step_aside(step, plan, now)
        else:
            self._hand_over(step, length, now)

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
        self.shown.show_text(step, TextDelta(gate.text[:length]), now)
        self.shown.flush(step, now)
        self.shown.at_sentence_end = True
        finish, more = gate.finish, gate.text[length:].strip()
        if finish is not None and finish.reason == "length" and not more:
            self._end(step, finish, now)  # the sentence has used up the client's token limit
        else:
            self._carry_on(step, "plan", now)

    def _discard_draft(self, step: Step, now: float) -> None:
        """Nobody sees this draft: the deep leg answers from the start."""
        self._gate = Gate()
        self._stop_current(step, now)
        self._carry_on(step, "plan", now)

    def _adopt_draft(self, step: Step, now: float) -> None:
        """The draft beside the deep leg becomes the answer."""
        self._current, events, finish = self._beside.adopt()
        for event in events:
            self._carry(step, self._legs[self._current], event, now)
        if finish is not None:
            self._end(step, finish, now)

    # -- passing the baton ----------------------------------------------------------------------

    def _carry_on(self, step: Step, because: str, now: float) -> None:
        """Open the next leg, or fall back on the draft, the local engine, or an honest end."""
        self.phase = Phase.CARRY
        assert self._roster is not None
        # Once a tool call is out the client acts on it: nobody may add to this answer.
        runner = None if self.shown.calls else self._roster.next(self.records, self._to_continue())
        if runner is not None:
            self._open(step, runner, because, now)
        elif self._beside.leg is not None:
            self._adopt_draft(step, now)
        else:
            self.shown.provisional = False  # nothing better will come
            rescue = self._roster.rescue(self.records, self.shown.text)
            if rescue is not None and not self.shown.calls:
                self._open(step, rescue, because, now)
            elif not self._wait_for_busy(now):
                self._give_up(step, now)

    def _wait_for_busy(self, now: float) -> bool:
        """Whether the only host is asked once more, a little later."""
        assert self._roster is not None
        busy = None if self.shown.calls else self._roster.again(self.records, self.shown.text)
        if busy is None or now + busy[0] >= self._begun + self._deadlines.request:
            return False
        self._waits = (now + busy[0], busy[1])
        return True

    def _open(self, step: Step, runner: Runner, because: str, now: float) -> None:
        if not self.shown.provisional:  # else it is the draft's, which still speaks
            self.shown.forget_tail()
        cut = self.shown.at_sentence_end
        self._current = self._legs.open(step, runner, self._to_continue(), because, now, cut=cut)

    def _to_continue(self) -> str:
        """What a next leg goes on from: provisional text is to be replaced, not continued."""
        return "" if self.shown.provisional else self.shown.text

    def _hedge(self, step: Step, slow: int, now: float) -> None:
        """The hosted model is slower than it mostly is: ask the next one beside it."""
        self._legs[slow].hedge_at = None
        assert self._roster is not None
        runner = self._roster.next_waiting(self.records, self._to_continue())
        if runner is not None and self._rival is None:
            self._open(step, runner, "slow", now)
            self._current, self._rival = slow, self._current

    def _give_up(self, step: Step, now: float) -> None:
        """Nobody is left. What was shown stays, cut short; nothing shown is an error."""
        if self.error is None:
            because = self.plan.because if self.plan else "nothing was decided"
            self.error = cause(self.records) or HeadstartError(f"no model can answer: {because}")
        if self.shown.first_shown is not None:
            self._end(step, Finished("tool_calls" if self.shown.calls else "length"), now)
        else:
            self.phase = Phase.DONE
            step.show.append(Failed(self.error))

    def _end_of_time(self, step: Step, now: float) -> None:
        seconds = self._deadlines.request
        self.error = DeadlineExceeded(f"the whole request took longer than {seconds:g} s")
        for leg in self._running():
            self._legs[leg].record.error = self.error
        self._stop_all(step, now)
        self._give_up(step, now)

    # -- ending ---------------------------------------------------------------------------------

    def _over(self) -> bool:
        return self.phase is Phase.DONE

    def _running(self) -> list[int]:
        return self._legs.running(self._current, self._rival, self._beside.leg)

    def _stop_current(self, step: Step, now: float) -> None:
        leg, self._current = self._current, None
        self._legs.stop(step, leg, now)

    def _stop_all(self, step: Step, now: float) -> None:
        self._stop_current(step, now)
        rival, self._rival = self._rival, None
        self._legs.stop(step, rival, now)
        self._beside.drop(step, now)

    def _end(self, step: Step, finish: Finished, now: float) -> None:
        """The one finish."""
        self.shown.flush(step, now)
        self._stop_all(step, now)
        self.shown.provisional = False
        self.phase = Phase.DONE
        self.finish = finish.reason
        step.show.append(finish)
