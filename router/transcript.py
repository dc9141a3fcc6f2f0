"""What the client has been shown, and the steps that show it more."""

from __future__ import annotations

import re
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
from router.seam.folding import is_unspaced, is_word


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """Start this leg, going on from `transcript`."""

    leg: int
    target: Target
    transcript: str
    streaming: bool = True
    judged: bool = False  # its log-probabilities decide whether it is shown


@dataclass(slots=True)
class Step:
    """What the relay wants done, in this order: stop, open, show."""

    show: list[StreamEvent] = field(default_factory=list[StreamEvent])
    open: list[OpenLeg] = field(default_factory=list[OpenLeg])
    stop: list[int] = field(default_factory=list[int])


_LONGEST_WORD = 40  # characters held back at most: beyond it is no word
_BEGUN = re.compile(
    r"\s*[«“„‘(\[{¿¡「『（]+$"
    r"|\s*\n[ \t]*(?:[-*+•>#|:=_ \t]+|\d{1,3}[.)]?|(?:`|~)(?:[`~]+[^\n]*)?)$"
)


class Transcript:
    """Text and tool calls that went out. Only ever grows, but for text that was provisional.

    But for the first, a word waits until it is whole, white space until something follows, and
    the mark of a quotation, a list item, a row or a fence until there is something in it. So when
    a leg breaks, the next one goes on from the end of a word: it need not guess whether "capi"
    was one, no space is said twice, and no empty bullet stands there.
    """

    def __init__(self, begun: float, *, whole_words: bool = True) -> None:
        """`begun`: when the request came in. `whole_words=False` shows every piece as it comes."""
        self._whole_words = whole_words
        self._tail = ""  # received, not shown
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
        """A piece of the answer, as far as its words are whole."""
        if not self._whole_words:
            self._show(step, event, now)
            return
        text = self._tail + event.text
        whole = _whole(text)
        if not whole and not self._pieces and text.strip():
            whole = len(text)  # the first word of an answer does not wait
        self._tail = text[whole:]
        if whole == len(event.text) == len(text):
            self._show(step, event, now)
        elif whole:
            self._show(step, TextDelta(text[:whole]), now)

    def flush(self, step: Step, now: float) -> None:
        """Show what waits: nothing will be added to it."""
        tail, self._tail = self._tail, ""
        self._show(step, TextDelta(tail), now)

    def forget_tail(self) -> None:
        """Its leg broke: the next one says it again."""
        self._tail = ""

    def _show(self, step: Step, event: TextDelta, now: float) -> None:
        if event.text:
            if self.first_shown is None:
                self.first_shown = now - self._begun
            self.at_sentence_end = False
            self.chars += len(event.text)
            self._pieces.append(event.text)
            step.show.append(event)

    def show_aside(self, step: Step, event: ReasoningDelta | RefusalDelta, now: float) -> None:
        """Reasoning or a refusal: seen, but not part of the text that a next leg continues."""
        self.flush(step, now)
        if self.first_shown is None:
            self.first_shown = now - self._begun
        step.show.append(event)

    def show_call(self, step: Step, call: ToolCallStarted, arguments: str, now: float) -> None:
        """A whole tool call, numbered across legs."""
        self.flush(step, now)
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
        self._tail = ""
        if self.text:
            self._pieces = []
            step.show.append(Replaced(0))


def _whole(text: str) -> int:
    """Length of the text that more text cannot change: without the last word and white space.

    Nor does a text end in what only opens something: a quotation, a list item, a row, a fence.
    """
    end = len(text.rstrip())
    if "\n" in text[end:]:
        return end  # the line is over
    if end == len(text) and is_word(text[-1:]) and not is_unspaced(text[-1]):
        begin = max(text.rfind(" "), text.rfind("\n"))
        if begin < 0 or end - begin > _LONGEST_WORD:
            return 0 if end <= _LONGEST_WORD else end
        end = len(text[:begin].rstrip())
    if text[end - 1 : end].isalnum() and "\n" not in text:
        return end  # the hot path
    begun = _BEGUN.search(text, max(0, end - _LONGEST_WORD), end)
    return begun.start() if begun else end
