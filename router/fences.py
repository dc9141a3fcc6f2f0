"""Code fences, as CommonMark has them: which one is open at the end of a text."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})([^`\n]*)")

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Fence:
    """The line that opens a code block."""

    start: int  # of its line
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
    if match is None:
        return None
    indent = re.match(r"[ \t]*", line)
    assert indent is not None
    return Fence(start, start + len(line), match[1], match[2].strip(), indent[0])


def open_fence(text: str) -> Fence | None:
    """The code block that `text` ends in."""
    if "```" not in text and "~~~" not in text:
        return None
    fence: Fence | None = None
    at = 0
    for line in _LINE.findall(text):
        if fence is None:
            fence = fence_in(line, at)
        elif fence.closed_by(line):
            fence = None
        at += len(line)
    return fence


def ends_in_closing_fence(text: str) -> bool:
    """True when the last thing in `text` is the end of a code block."""
    shown = text.rstrip()
    begin = shown.rfind("\n") + 1
    opened = open_fence(shown[:begin])
    return opened is not None and opened.closed_by(shown[begin:])


def closing(text: str, began: int) -> str:
    """What closes the code block that `text` ends in, where another leg than the last opened it.

    `began`: how much of the text was shown before the last leg spoke. A block that this leg
    opened itself is its own affair, and so is the text of an answer that one leg gave.
    """
    fence = open_fence(text)
    if fence is None or fence.start >= began:
        return ""
    at_line_start = text.endswith("\n")
    return ("" if at_line_start else "\n") + fence.indent + fence.mark
