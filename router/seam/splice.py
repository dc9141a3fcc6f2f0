"""The seam between the transcript and the leg that goes on from it.

Text is held while it could still be the transcript said again, or talk about going on. What is
said twice is dropped, the white space is mended, and the rest passes; nothing else is altered.
The reply is looked at one character at a time, so that it is cut at the same place however its
pieces arrive.
"""

from __future__ import annotations

from router.seam.mending import Mending, white_left
from router.seam.repetition import Cut, Repetition
from router.seam.retelling import Told


class Splice:
    """Joins one continuing leg to the transcript.

    `exact`: the leg continues by native prefill, so nothing it says is a repetition but the white
    space that a prefill cannot end in.
    """

    def __init__(self, transcript: str, *, exact: bool, after_sentence: bool) -> None:
        """Prepare the seam; `after_sentence` says that the transcript was cut at a sentence end."""
        self._white = transcript[len(transcript.rstrip()) :]
        self._exact = exact
        self._held = ""
        self._repetition: Repetition | None = None
        self._mending: Mending | None = None
        finished = after_sentence
        if not exact:
            told = Told(transcript, finished=after_sentence)
            self._repetition = Repetition(told)
            finished = told.finished
        if after_sentence or not exact:
            self._mending = Mending(transcript, finished=finished, cut=after_sentence)

    def feed(self, text: str) -> str | None:
        """The joined text once the seam is certain, None while it must be held."""
        for at, char in enumerate(text, start=1):
            self._held += char
            if self._repetition is not None:
                self._repetition.push(char)
            joined = self._join(done=False)
            if joined is not None:
                return joined + text[at:]
        return None

    def finish(self) -> str:
        """What is left to show when the leg ends while its text is still held."""
        return self._join(done=True) or ""

    def _join(self, *, done: bool) -> str | None:
        """The held text as it goes on from the transcript; None while that is not certain."""
        cut = Cut(0) if self._repetition is None else self._repetition.cut(done=done)
        if cut is None:
            return None
        rest = self._held[cut.end :]
        white = rest[: len(rest) - len(rest.lstrip())]
        if white == rest and not done:
            return None
        rest = rest[white_left(self._white, white, exact=self._exact) :]
        if cut.repeated or self._mending is None:
            return rest
        mend = self._mending.mend(rest, done=done)
        return None if mend is None else mend + rest
