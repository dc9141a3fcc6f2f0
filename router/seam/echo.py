"""A host that answers a native prefill with the prefill itself, or with a long part of it.

Native prefill is believed: what the model says is what comes next. Only text that no author writes
is taken for an echo: letter for letter what was given, and with nothing between the two.
"""

from __future__ import annotations

import re

from router.seam.anchor import squeeze
from router.seam.folding import fold, is_unspaced

# Letters, where an ideograph counts for two. Prose says a word twice ("bye bye"), and verse a line;
# with no space or line break between the two they have never been so long.
_WHOLE = 8  # all that was given, in several words
_PART = 40  # from the beginning of a sentence or line to the end
_BEGIN = re.compile(r"(?:[.!?…:։॥।۔؟][\"'”’»)\]*_`]*\s+|[。！？]\s*|\n\s*)(?=\S)")


class Echo:
    """One reply as it arrives, compared with the text that the model was given."""

    def __init__(self, transcript: str) -> None:
        """The reply has not begun."""
        self._given = transcript.rstrip()
        self._live = self._starts()
        self._heard = 0

    def push(self, char: str) -> int | None:
        """The next character of the reply: how much of it is an echo, None while it may be one."""
        given, at = self._given, self._heard
        self._live = [start for start in self._live if given[start + at] == char]
        self._heard += 1
        whole = [start for start in self._live if start + self._heard == len(given)]
        if any(not self._repeats_itself(start) for start in whole):
            return self._heard
        self._live = [start for start in self._live if start not in whole]
        return None if self._live else 0

    def _starts(self) -> list[int]:
        """Where an echo may begin."""
        given = self._given
        several = any(char.isspace() or is_unspaced(char) for char in given)
        latest = _latest(given, _PART)
        parts = [match.end() for match in _BEGIN.finditer(given) if match.end() <= latest]
        return [0, *parts] if _latest(given, _WHOLE if several else _PART) >= 0 else []

    def _repeats_itself(self, start: int) -> bool:
        """True where the text ends in a repetition of its own, which may go on."""
        part = self._given[start:]
        bare = squeeze(part)
        return bare in (bare + bare)[1:-1] or self._given[:start].rstrip().endswith(part)


def _latest(text: str, weight: int) -> int:
    """The last place behind which the text weighs so much; -1 if there is none."""
    for at in range(len(text) - 1, -1, -1):
        if fold(text[at]):
            weight -= 2 if is_unspaced(text[at]) else 1
        if weight <= 0:
            return at
    return -1
