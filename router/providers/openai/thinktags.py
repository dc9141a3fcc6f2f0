"""Thinking that a host leaves in the text: `<think>…</think>` before the answer.

Models like Qwen3 and the distilled DeepSeek-R1 write these tags themselves, and a host without a
parser for them sends them on; every client would show them. Only a tag that begins the reply
counts: further on it is what the answer is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from models.stream import ReasoningDelta, StreamEvent, TextDelta, TokenLogprob

_OPEN, _CLOSE = "<think>", "</think>"


class _Place(Enum):
    BEFORE = "before"  # so far white space, or a part of the opening tag
    INSIDE = "inside"
    BEHIND = "behind"  # the white space that sets the answer apart
    ANSWER = "answer"


class ThinkTags:
    """Tells thinking from text, piece by piece. `open` is false once only text can follow."""

    __slots__ = ("_held", "_pieces", "_place", "_thought")

    def __init__(self) -> None:
        """At the beginning of a reply."""
        self._place = _Place.BEFORE
        self._pieces: list[TextDelta] = []  # the beginning, as it came
        self._held = ""  # what may be the beginning of the closing tag
        self._thought = False

    @property
    def open(self) -> bool:
        """True while pieces must come through `feed`."""
        return self._place is not _Place.ANSWER

    def feed(self, text: str, logprobs: tuple[TokenLogprob, ...], out: list[StreamEvent]) -> None:
        """The next piece of content."""
        if self._place is _Place.BEFORE:
            self._pieces.append(TextDelta(text, logprobs))
            self._begin(out)
        elif self._place is _Place.INSIDE:
            self._think(text, out)
        else:
            self._leave(TextDelta(text, logprobs), out)

    def finish(self, out: list[StreamEvent]) -> None:
        """No more content follows, or what does is the answer: give out what is held."""
        if self._place is _Place.BEFORE:
            out.extend(self._pieces)
        elif self._held:
            self._show(self._held, out)
        self._place = _Place.ANSWER

    def _begin(self, out: list[StreamEvent]) -> None:
        beginning = _joined(self._pieces).lstrip()
        if beginning.startswith(_OPEN):
            self._place = _Place.INSIDE
            self._think(beginning.removeprefix(_OPEN), out)
        elif not _OPEN.startswith(beginning):
            self.finish(out)

    def _think(self, text: str, out: list[StreamEvent]) -> None:
        thought, closed, behind = (self._held + text).partition(_CLOSE)
        if closed:
            self._held = ""
            self._place = _Place.BEHIND
        else:
            self._held = _begun_tag(thought)
            thought = thought.removesuffix(self._held)
        self._show(thought, out)
        if closed:
            self._leave(TextDelta(behind), out)

    def _show(self, thought: str, out: list[StreamEvent]) -> None:
        """Without the white space at its beginning: a model told not to think sends only that."""
        if not self._thought:
            thought = thought.lstrip()
        if thought:
            self._thought = True
            out.append(ReasoningDelta(thought))

    def _leave(self, piece: TextDelta, out: list[StreamEvent]) -> None:
        text = piece.text.lstrip()
        if text:
            self._place = _Place.ANSWER
            out.append(piece if text == piece.text else TextDelta(text, piece.logprobs))


def _joined(pieces: Sequence[TextDelta]) -> str:
    return "".join(piece.text for piece in pieces)


def _begun_tag(text: str) -> str:
    """The end of the text that may be the beginning of the closing tag."""
    for length in range(min(len(text), len(_CLOSE) - 1), 0, -1):
        if _CLOSE.startswith(text[-length:]):
            return text[-length:]
    return ""
