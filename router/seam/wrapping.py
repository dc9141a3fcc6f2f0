"""A reply that comes in a wrapping: a code fence or quotation marks around all that it says.

The seam drops what opens it (`router.seam.openings`); what closes it stands at the end of the
reply, so text is held where it may be that.
"""

from __future__ import annotations

import re

from router.fences import Fence, fence_in, open_fence
from router.seam.overlap import opens

_CLOSING = {"“": "”", "„": "“", "«": "»", '"': '"', "「": "」", "『": "』"}
_BETWEEN = " \t\n-–—•*+_"  # may stand between a quotation mark and the first word
_LINE = re.compile(r"\n[^\n]*|[^\n]+")
_MAY_BE_FENCE = re.compile(r"\n[ \t]*(?:[`~][^\n]*)?$")


def wrapping(transcript: str, opening: str, repeated: str) -> Fenced | Quoted | None:
    """What is around a reply that begins with `opening` and then says `repeated` again."""
    fence = open_fence(opening)
    if fence is not None and open_fence(transcript) is None:
        return Fenced(fence)
    opened = opening.rstrip(_BETWEEN)[-1:]
    closed = _CLOSING.get(opened)
    if closed is None or opens(transcript[transcript.rfind("\n") + 1 :], closed):
        return None  # there is none, or it is the transcript's own
    if repeated.endswith(closed) and not transcript.rstrip().endswith(closed):
        return None  # it ended behind the words that were said again
    return Quoted(closed)


class Quoted:
    """The quotation mark that ends the reply, and closes nothing that the reply still opens."""

    def __init__(self, closed: str) -> None:
        """The mark that opens what `closed` closes was dropped."""
        self.over = False
        self._closed = closed
        self._shown: list[str] = []
        self._held = ""

    def feed(self, text: str) -> str:
        """What may be shown of this."""
        text = self._held + text
        at = text.rfind(self._closed)
        self._held = "" if at < 0 or text[at + 1 :].strip() else text[at:]
        self._shown.append(text[: len(text) - len(self._held)])
        return self._shown[-1]

    def finish(self) -> str:
        """The reply has ended."""
        self.over = True
        held, self._held = self._held, ""
        return held if opens("".join(self._shown), self._closed) else held[1:].rstrip()


class Fenced:
    """The line that closes the code block in which the reply came."""

    def __init__(self, fence: Fence) -> None:
        """`fence` was dropped."""
        self.over = False
        self._fence = fence
        self._inner: Fence | None = None
        self._held = ""

    def feed(self, text: str) -> str:
        """What may be shown of this."""
        text = self._held + text
        begun = _MAY_BE_FENCE.search(text)
        whole = begun.start() if begun else len(text)
        self._held = text[whole:]
        return self._unwrapped(text[:whole])

    def finish(self) -> str:
        """The reply has ended."""
        held, self._held = self._held, ""
        shown = self._unwrapped(held)
        self.over = True
        return shown

    def _unwrapped(self, text: str) -> str:
        return "".join(line for line in _LINE.findall(text) if not self._closes(line))

    def _closes(self, line: str) -> bool:
        """True for the one line that has to go."""
        fence = None if self.over or line[0] != "\n" else fence_in(line[1:])
        if fence is None:
            return False
        if self._inner is not None:
            self._inner = None if self._inner.closed_by(line) else self._inner
        elif self._fence.closed_by(line):
            self.over = True
            return True
        else:
            self._inner = fence
        return False
