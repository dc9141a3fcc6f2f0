"""How much of a reply has to go: openings that make no sense, and what it tells again."""

from __future__ import annotations

from dataclasses import dataclass

from router.seam.folding import is_word
from router.seam.openings import Openings
from router.seam.overlap import behind_closing, end_of_repetition, repeats
from router.seam.retelling import Retelling, Told


@dataclass(frozen=True, slots=True)
class Cut:
    """Where in the reply the continuation begins."""

    end: int
    repeated: bool = False  # the words before it are the last that the client has read
    begin: int = 0  # where these words begin, behind what the reply opens with


class Repetition:
    """One reply as it arrives, compared with what the client has read."""

    def __init__(self, told: Told, instruction: str | None = None) -> None:
        """The reply has not begun. `instruction`: see Splice."""
        self._told = told
        self._reply = ""
        self._openings = Openings(told.text, instruction)
        self._opening = True  # an opening may begin, or go on, behind `_skipped`
        self._skipped = 0
        self._drop = 0  # behind the openings that go in any case
        self._retellings = [Retelling(told, 0)]  # from the beginning, and behind each opening

    def push(self, char: str) -> None:
        """The next character of the reply."""
        self._reply += char
        for retelling in self._retellings:
            retelling.push(char)

    def cut(self, *, done: bool) -> Cut | None:
        """Where to cut; None while more must be seen. `done`: the reply has ended."""
        if self._opening:
            self._look_for_openings(done=done)
        for retelling in self._retellings:
            if retelling.anchored and self._ends(retelling.anchored):
                if not done and self._row_may_go_on(retelling.anchored):
                    return None
                begin = retelling.first_letter
                end = behind_closing(self._told, self._reply, begin, retelling.anchored, done=done)
                return None if end is None else Cut(end, True, retelling.first_letter)
            undecided = self._opening or retelling.alive or retelling.ends_at(len(self._reply))
            if undecided and not done:
                return None
            for start, end in retelling.matches:
                said = self._reply[retelling.first_letter : end]
                behind = self._reply[end : end + 1]
                # An opening that goes is none: the S of "Sure!" is not a word begun again.
                if end > self._drop and repeats(self._told, start, said, behind):
                    marks_end = end_of_repetition(self._told, start, self._reply, end, done=done)
                    return (
                        None if marks_end is None else Cut(marks_end, True, retelling.first_letter)
                    )
            if retelling.line_told and retelling.line_told > self._drop:
                return Cut(retelling.line_told, True, retelling.first_letter)
        return Cut(self._drop)

    def _look_for_openings(self, *, done: bool) -> None:
        while (skip := self._openings.skip(self._reply, self._skipped, done=done)) is not None:
            if skip.end < 0:
                return
            self._skipped = skip.end
            if skip.sure:
                self._drop = skip.end
            retelling = Retelling(self._told, skip.end)
            for char in self._reply[skip.end :]:
                retelling.push(char)
            self._retellings.append(retelling)
        self._opening = False

    def _ends(self, end: int) -> bool:
        """False when the reply's word, or row, goes on where the transcript's does not."""
        behind = self._reply[end:].lstrip(" \t")
        if self._told.row_is_over and behind and behind[0] != "\n":
            return False
        goes_on = is_word(self._reply[end - 1]) and is_word(self._reply[end : end + 1])
        return not (goes_on and self._told.white)

    def _row_may_go_on(self, end: int) -> bool:
        return self._told.row_is_over and not self._reply[end:].strip(" \t")
