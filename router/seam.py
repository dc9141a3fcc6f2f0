"""The seam between the transcript and the leg that goes on from it.

Text is held while it could still be the transcript said again, or talk about going on. What is
said twice is dropped, the white space is mended, and the rest passes; nothing else is altered.
The reply is looked at one character at a time, so that it is cut at the same place however its
pieces arrive.
"""

from __future__ import annotations

from router.folding import is_word
from router.mending import Mending, white_left
from router.openings import Openings
from router.overlap import end_of_repetition, repeats
from router.retelling import Retelling, Told


class Splice:
    """Joins one continuing leg to the transcript.

    `exact`: the leg continues by native prefill, so nothing it says is a repetition but the white
    space that a prefill cannot end in.
    """

    def __init__(self, transcript: str, *, exact: bool, after_sentence: bool) -> None:
        """Prepare the seam; `after_sentence` says that the transcript was cut at a sentence end."""
        self._told = Told(transcript, finished=after_sentence)
        self._mending = Mending(transcript, finished=self._told.finished, cut=after_sentence)
        self._mends = after_sentence or not exact
        self._exact = exact
        self._held = ""
        self._openings = Openings(transcript)
        self._opening = not exact  # an opening may begin, or go on, behind `_skipped`
        self._skipped = 0
        self._drop = 0  # behind openings that go in any case
        self._line = False  # what follows them begins a line
        self._retellings = [] if exact else [Retelling(self._told, 0)]

    def feed(self, text: str) -> str | None:
        """The joined text once the seam is certain, None while it must be held."""
        for at, char in enumerate(text, start=1):
            self._held += char
            for retelling in self._retellings:
                retelling.push(char)
            joined = self._join(done=False)
            if joined is not None:
                return joined + text[at:]
        return None

    def finish(self) -> str:
        """What is left to show when the leg ends while its text is still held."""
        return self._join(done=True) or ""

    def _join(self, *, done: bool) -> str | None:
        """The held text as it goes on from the transcript; None while that is not certain."""
        if self._opening:
            self._look_for_openings(done=done)
        for retelling in self._retellings:
            if retelling.anchored and self._word_ends(retelling.anchored):
                return self._without(retelling.anchored, repeated=True, done=done)
        if not done and (self._opening or any(r.alive for r in self._retellings)):
            return None
        for retelling in self._retellings:
            for start, end in sorted(retelling.matches):
                said = self._held[retelling.begin : end]
                if not done and end == len(self._held):
                    return None
                if repeats(self._told, start, said, self._held[end : end + 1]):
                    return self._without_repetition(end, done=done)
        return self._without(self._drop, repeated=False, done=done)

    def _look_for_openings(self, *, done: bool) -> None:
        while (skip := self._openings.skip(self._held, self._skipped, done=done)) is not None:
            if skip.end < 0:
                return
            self._skipped = skip.end
            if skip.sure:
                self._drop, self._line = skip.end, skip.line
            retelling = Retelling(self._told, skip.end)
            for char in self._held[skip.end :]:
                retelling.push(char)
            self._retellings.append(retelling)
        self._opening = False

    def _word_ends(self, end: int) -> bool:
        """False when the reply's word goes on where the transcript's does not."""
        goes_on = is_word(self._told.anchor[-1]) and is_word(self._held[end : end + 1])
        return not (goes_on and self._told.white)

    def _without_repetition(self, end: int, *, done: bool) -> str | None:
        cut = end_of_repetition(self._told, self._held, end, done=done)
        return None if cut is None else self._without(cut, repeated=True, done=done)

    def _without(self, drop: int, *, repeated: bool, done: bool) -> str | None:
        """Held text without its first `drop` characters, with the white space of the seam mended."""
        rest = self._held[drop:]
        white = rest[: len(rest) - len(rest.lstrip())]
        if white == rest and not done:
            return None
        rest = rest[white_left(self._told.white, white, exact=self._exact) :]
        if repeated or not self._mends:
            return rest
        if self._line and rest and "\n" not in self._told.white:
            return "\n" + rest
        mend = self._mending.mend(rest, done=done)
        return None if mend is None else mend + rest
