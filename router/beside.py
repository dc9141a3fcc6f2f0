"""A draft that goes on beside the deep leg until that one speaks: how the merge modes differ.

thinking   the client reads it as reasoning
revise     the client reads it as the answer, and takes it back when the deep leg speaks
hold       nobody reads it, unless no deep leg can be had in time
"""

from __future__ import annotations

from collections.abc import Callable

from models.stream import Finished, ReasoningDelta, StreamEvent, TextDelta
from router.gate import Confidence, Gate
from router.leg import Legs
from router.plan import Plan
from router.transcript import Step, Transcript


class Beside:
    """At most one such draft; `leg` is its number while it is there."""

    def __init__(
        self, legs: Legs, shown: Transcript, second_look: Callable[[Plan, Confidence], Plan]
    ) -> None:
        """Nothing runs beside yet."""
        self.leg: int | None = None
        self._legs = legs
        self._shown = shown
        self._second_look = second_look
        self._gate = Gate()
        self._plan: Plan | None = None

    def begin(self, step: Step, leg: int, gate: Gate, plan: Plan, now: float) -> None:
        """The draft steps aside with what the gate holds of it."""
        self.leg, self._gate, self._plan = leg, gate, plan
        self.tend(step, now)

    def hold(self, event: StreamEvent) -> None:
        """One more event of the draft."""
        self._gate.hold(event)

    def finished(self, event: Finished) -> None:
        """The draft is complete; it stays until it is needed or not."""
        self._gate.finish = event

    def tend(self, step: Step, now: float) -> None:
        """Show as much of the draft as its merge mode wants, once it is sure of itself."""
        gate, plan = self._gate, self._plan
        if self.leg is None or plan is None:
            return
        if not gate.trusted:
            length = gate.sentence()
            if length is None:
                return
            gate.trusted = self._second_look(plan, gate.confidence(length)).draft is not None
            if not gate.trusted:
                self.drop(step, now)
                return
        if plan.merge == "hold":
            return
        for event in gate.take():
            if isinstance(event, TextDelta):
                self._show(step, event, plan, now)

    def part(self, step: Step, now: float) -> None:
        """The deep leg speaks: the draft has done its work."""
        self.drop(step, now)
        if self._shown.provisional:
            self._shown.replace(step)

    def drop(self, step: Step, now: float) -> None:
        """End the draft, if there is one."""
        leg, self.leg = self.leg, None
        self._gate = Gate()
        self._legs.stop(step, leg, now)

    def adopt(self) -> tuple[int, list[StreamEvent], Finished | None]:
        """No deep leg can be had in time: the draft's number, what it has yet to say, its finish."""
        leg, self.leg = self.leg, None
        gate, self._gate = self._gate, Gate()
        assert leg is not None
        if self._shown.provisional:
            self._shown.provisional = False
            return leg, gate.events, gate.finish
        # What went out as thinking is said again, as the answer.
        return leg, [TextDelta(gate.text)], gate.finish

    def _show(self, step: Step, event: TextDelta, plan: Plan, now: float) -> None:
        if plan.merge == "thinking":
            self._shown.show_aside(step, ReasoningDelta(event.text), now)
        else:
            self._shown.provisional = True
            self._shown.show_text(step, event, now)
