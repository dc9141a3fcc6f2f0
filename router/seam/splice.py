"""The seam between the transcript and the leg that goes on from it.

Text is held while it could still be the transcript said again, or talk about going on. What is
said twice is dropped, the white space is mended, and the rest passes; nothing else is altered.
The reply is looked at one character at a time, so that it is cut at the same place however its
pieces arrive.
"""

from __future__ import annotations

from router.seam.echo import Echo
from router.seam.mending import Mending, white_left
from router.seam.repetition import Cut, Repetition
from router.seam.retelling import Told
from router.seam.wrapping import Fenced, Quoted, wrapping


class Splice:
    """Joins one continuing leg to the transcript.

    `exact`: the leg continues by native prefill, so nothing it says is a repetition but the white
    space that a prefill cannot end in, and what a host echoes.
    """

    def __init__(
        self, transcript: str, *, exact: bool, after_sentence: bool, instruction: str | None = None
    ) -> None:
        """Prepare the seam; `after_sentence` says that the transcript was cut at a sentence end.

        instruction: by which the model was asked to go on, where that is not the built-in one.
        """
        self._transcript = transcript
        self._white = transcript[len(transcript.rstrip()) :]
        self._exact = exact
        self._held = ""
        self._joined = False
        self._wrapping: Fenced | Quoted | None = None
        self._echo = Echo(transcript) if exact else None
        self._echoed: int | None = None
        self._repetition: Repetition | None = None
        self._mending: Mending | None = None
        finished = after_sentence
        if not exact:
            told = Told(transcript, finished=after_sentence)
            self._repetition = Repetition(told, instruction)
            finished = told.finished
        if after_sentence or not exact:
            self._mending = Mending(transcript, finished=finished, cut=after_sentence)

    @property
    def over(self) -> bool:
        """True once all that comes passes as it is."""
        return self._joined and (self._wrapping is None or self._wrapping.over)

    def feed(self, text: str) -> str | None:
        """The joined text once the seam is certain, None while it must be held."""
        if self._joined:
            return text if self._wrapping is None else self._wrapping.feed(text)
        for at, char in enumerate(text, start=1):
            self._held += char
            self._push(char)
            joined = self._join(done=False)
            if joined is not None:
                self._joined = True
                rest = joined + text[at:]
                return rest if self._wrapping is None else self._wrapping.feed(rest)
        return None

    def finish(self) -> str:
        """What is left to show when the leg ends while its text is still held."""
        rest = ""
        if not self._joined:
            rest = self._join(done=True) or ""
            self._joined = True
            rest = rest if self._wrapping is None else self._wrapping.feed(rest)
        return rest if self._wrapping is None else rest + self._wrapping.finish()

    def _push(self, char: str) -> None:
        if self._repetition is not None:
            self._repetition.push(char)
        elif self._echo is not None and self._echoed is None:
            self._echoed = self._echo.push(char)

    def _cut(self, *, done: bool) -> Cut | None:
        """How much of the held text goes; None while more must be seen."""
        if self._repetition is not None:
            return self._repetition.cut(done=done)
        if self._echoed is None:
            return Cut(0) if done else None
        return Cut(self._echoed, repeated=self._echoed > 0)

    def _join(self, *, done: bool) -> str | None:
        """The held text as it goes on from the transcript; None while that is not certain."""
        cut = self._cut(done=done)
        if cut is None:
            return None
        rest = self._held[cut.end :]
        white = rest[: len(rest) - len(rest.lstrip())]
        if white == rest and not done:
            return None
        if cut.repeated:
            opening, repeated = self._held[: cut.begin], self._held[cut.begin : cut.end]
            self._wrapping = wrapping(self._transcript, opening, repeated)
        rest = rest[white_left(self._white, white, exact=self._exact) :]
        if cut.repeated or self._mending is None:
            return rest
        mend = self._mending.mend(rest, done=done)
        return None if mend is None else mend + rest
