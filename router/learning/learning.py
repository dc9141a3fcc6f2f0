"""Learning from traffic: what the router tells it of each request, and what clients say later."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from models.chat import ChatRequest
from models.errors import OutcomeNotFound, Unsupported
from models.stream import StreamEvent, TextDelta
from router.deadline import Clock
from router.learning.experiment import Experiment
from router.learning.feedback import Said, feedback
from router.learning.records import Feedback, known, tier_of
from router.learning.shadow import Answered, Shadow
from router.learning.signals import Signals
from router.observe import Observer
from router.outcome import Arm, Outcome
from router.outcomes import Notebook
from router.policy import Rules


@dataclass(slots=True)
class Lesson:
    """One request under way. `text` is what was shown, where it may be compared later."""

    request: ChatRequest
    outcome: Outcome
    drawn: bool  # for a shadow comparison, should the fast tier answer
    text: list[str] = field(default_factory=list[str])

    def hear(self, events: Sequence[StreamEvent]) -> None:
        """What the client is shown."""
        self.text += [event.text for event in events if isinstance(event, TextDelta)]


class Learning:
    """Keeps the parts together; the composition root builds one."""

    def __init__(
        self,
        notebook: Notebook | None = None,
        observer: Observer | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        draw: Callable[[], float] = random.random,
        shadow: Shadow | None = None,
        experiment: Experiment | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """`draw` gives 0..1. Without a notebook, requests teach nothing and feedback is refused."""
        self._notebook = notebook
        self._observer = observer or Observer()
        self._now = now
        self._draw = draw
        self._shadow = shadow
        self._experiment = experiment
        self._signals = Signals(clock)
        self._running: dict[str, Outcome] = {}

    def arm(self, request: ChatRequest, client: str) -> Arm:
        """The arm of the experiment that this request is in; a client's own threshold is in none."""
        if self._experiment is None or request.headstart.threshold is not None:
            return ""
        return self._experiment.arm(request, client)

    def rules(self, rules: Rules, arm: Arm) -> Rules:
        """The rules that hold in that arm."""
        return self._experiment.rules(rules, arm) if self._experiment else rules

    def begun(self, request: ChatRequest, outcome: Outcome, *, judged: bool) -> Lesson:
        """A request begins; `judged`: the tier is ours to choose."""
        self._running[outcome.id] = outcome
        if self._notebook is not None:
            self._compare(request, outcome, self._notebook)
        drawn = judged and self._shadow is not None and self._draw() < self._shadow.rate
        return Lesson(request, outcome, drawn)

    def ended(self, lesson: Lesson) -> None:
        """It is over, and recorded."""
        outcome = lesson.outcome
        self._running.pop(outcome.id, None)
        whole = outcome.finish in {"stop", "length", "tool_calls"} and outcome.error is None
        self._signals.answered(outcome.id, whole=whole)
        if lesson.drawn and self._shadow is not None and (answered := _answered_fast(lesson)):
            self._shadow.offer(answered)

    async def take(self, said: Said, client: str) -> Feedback:
        """Store feedback; it is on the disk when this returns.

        Raises a `RequestError` for what does not fit the request, `StoreUnavailable` when it could
        not be written.
        """
        if self._notebook is None:
            raise Unsupported("This server keeps no outcomes, so it takes no feedback.")
        running = self._running.get(said.outcome_id)
        about = known(running) if running else None
        about = about or await asyncio.to_thread(self._notebook.find, said.outcome_id)
        if about is None:
            raise OutcomeNotFound(
                f"No request {said.outcome_id} is known here: send the x-headstart-id of an answer.",
                param="id",
            )
        row = feedback(said, about, client, self._now().timestamp())
        await asyncio.wrap_future(self._notebook.note(row))
        self._observer.said(row)
        return row

    async def aclose(self) -> None:
        """End what runs in the background."""
        if self._shadow is not None:
            await self._shadow.aclose()

    def _compare(self, request: ChatRequest, outcome: Outcome, notebook: Notebook) -> None:
        """Note what this question says of an earlier answer."""
        signal = self._signals.asked(request, outcome.client, outcome.id)
        if signal is None:
            return
        at = self._now().timestamp()
        row = Feedback(
            outcome_id=signal.outcome_id, created=at, kind=signal.kind, value=0.0, leg=""
        )
        notebook.note(row)
        self._observer.said(row)


def _answered_fast(lesson: Lesson) -> Answered | None:
    """The request, if the fast tier alone answered it whole and a hosted model could have."""
    outcome, plan = lesson.outcome, lesson.outcome.plan
    if plan is None or plan.route != "fast" or outcome.finish != "stop" or plan.p_fast is None:
        return None
    text = "".join(lesson.text)
    only_fast = all(tier_of(leg.target) == "fast" for leg in outcome.legs)
    if not (only_fast and text and plan.deep) or plan.deep[0].local:
        return None
    return Answered(outcome_id=outcome.id, request=lesson.request, text=text, deep=plan.deep[0])
