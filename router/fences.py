"""Code fences, as CommonMark has them: which blocks a text has, and which is open at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)*(`{3,}(?=[^`]*$)|~{3,})([^\n]*)")
_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Fence:
    """The line that opens a code block."""

    start: int
    end: int  # behind its line break
    mark: str
    info: str  # the language, as a rule
    indent: str

    def closed_by(self, line: str) -> bool:
        """True when this line ends the block."""
        bare = line.strip(" \t\r\n>")
        return len(bare) >= len(self.mark) and bare == self.mark[0] * len(bare)


def fence_in(line: str, start: int = 0) -> Fence | None:
    """The fence that this line opens, if it opens one."""
    match = _FENCE.match(line)
    indent = _INDENT.match(line)
    if match is None or indent is None:
        return None
    return Fence(start, start + len(line), match[1], match[2].strip(), indent[0])


def blocks(text: str) -> Iterator[tuple[Fence, int | None]]:
    """Each code block: the fence that opens it, and the end of the line that closes it."""
    if "```" not in text and "~~~" not in text:
        return
    fence: Fence | None = None
    at = 0
    for line in _LINE.findall(text):
        if fence is None:
            fence = fence_in(line, at)
        elif fence.closed_by(line):
            yield fence, at + len(line.rstrip("\n"))
            fence = None
        at += len(line)
    if fence is not None:
        yield fence, None


def open_fence(text: str) -> Fence | None:
    """The code block that `text` ends in."""
    return next((fence for fence, end in blocks(text) if end is None), None)


def ends_in_closing_fence(text: str) -> bool:
    """True when the last thing in `text` is the end of a code block."""
    end = len(text.rstrip())
    return any(closed is not None and closed >= end for _, closed in blocks(text))


def closing(text: str, began: int) -> str:
    """What closes the code block that `text` ends in, where another leg than the last opened it.

    `began`: how much of the text was shown before the last leg spoke. A block that this leg
    opened itself is its own affair, and so is an answer that one leg gave alone.
    """
    fence = open_fence(text) if began else None
    if fence is None or fence.start >= began:
        return ""
    return ("" if text.endswith("\n") else "\n") + fence.indent + fence.mark
