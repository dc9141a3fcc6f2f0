"""What the relay remembers of one leg beside its record."""

from __future__ import annotations

from models.stream import (
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from router.baton import Splice
from router.deadline import Deadlines
from router.outcome import LegRecord


class Leg:
    """One open model call: its clock, its seam to the transcript, its unfinished tool calls."""

    def __init__(self, record: LegRecord, now: float, splice: Splice | None) -> None:
        """The call starts now; `splice` joins it to text that was already shown."""
        self.record = record
        self.splice = splice
        self.spoke = False  # content came: text, reasoning or a tool call, not just a ping
        self.last_bytes = now
        self._opened = now
        self._last_content = now
        self._calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}

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
        match event:
            case TextDelta(text=text) | ReasoningDelta(text=text) | RefusalDelta(text=text):
                self.record.received_chars += len(text)
            case ToolArgsDelta(text=text):
                self.record.received_chars += len(text)
            case _:
                pass

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

    def due(self, limits: Deadlines) -> tuple[float, str]:
        """When this leg is too late, and what for."""
        if not self.spoke and self.record.role == "draft":
            return self._opened + limits.fast_first_token, "no first token in time"
        if not self.spoke:
            return self._opened + limits.deep_first_sentence, "no first sentence in time"
        # Pings keep a leg alive, but not for longer than a first sentence may take.
        quiet = self.last_bytes + limits.stall
        empty = self._last_content + limits.deep_first_sentence
        return min(quiet, empty), "stalled in mid-answer"
