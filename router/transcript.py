"""What the client has been shown, and the steps that show it more."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.stream import (
    ReasoningDelta,
    RefusalDelta,
    Replaced,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from router.plan import Target


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """Start this leg, going on from `transcript`."""

    leg: int
    target: Target
    transcript: str
    streaming: bool = True


@dataclass(slots=True)
class Step:
    """What the relay wants done, in this order: stop, open, show."""

    show: list[StreamEvent] = field(default_factory=list[StreamEvent])
    open: list[OpenLeg] = field(default_factory=list[OpenLeg])
    stop: list[int] = field(default_factory=list[int])


class Transcript:
    """Text and tool calls that went out. Only ever grows, but for text that was provisional."""

    def __init__(self, begun: float) -> None:
        """`begun`: when the request came in, on the relay's clock."""
        self.first_shown: float | None = None  # seconds since then
        self.chars = 0  # of text, whatever became of it
        self.calls = 0
        self.at_sentence_end = False  # a draft was cut there, and nothing has been added since
        self.provisional = False  # what stands here will be replaced (merge mode `revise`)
        self._begun = begun
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All of the answer's text, in one piece."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def show_text(self, step: Step, event: TextDelta, now: float) -> None:
        """A piece of the answer."""
        if event.text:
            if self.first_shown is None:
                self.first_shown = now - self._begun
            self.at_sentence_end = False
            self.chars += len(event.text)
            self._pieces.append(event.text)
            step.show.append(event)

    def show_aside(self, step: Step, event: ReasoningDelta | RefusalDelta, now: float) -> None:
        """Reasoning or a refusal: seen, but not part of the text that a next leg continues."""
        if self.first_shown is None:
            self.first_shown = now - self._begun
        step.show.append(event)

    def show_call(self, step: Step, call: ToolCallStarted, arguments: str, now: float) -> None:
        """A whole tool call, numbered across legs."""
        if self.first_shown is None:
            self.first_shown = now - self._begun
        at = self.calls
        self.calls += 1
        step.show.append(ToolCallStarted(at, call.id, call.name, call.opaque))
        step.show.append(ToolArgsDelta(at, arguments))
        step.show.append(ToolCallEnded(at))

    def replace(self, step: Step) -> None:
        """What stood here was provisional: the client drops it, the answer starts over."""
        self.provisional = False
        if self.text:
            self._pieces = []
            step.show.append(Replaced(0))
