"""The white space of a seam: none twice, none missing between two words or two lines."""

from __future__ import annotations

import re
import unicodedata

from router import graphemes
from router.fences import ends_in_closing_fence, fence_in, open_fence
from router.folding import is_unspaced, is_word
from router.overlap import opens, run_of

_BLOCK = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]+\S|#{1,6}[ \t]|```|~~~|\||>[ \t]")
_BLOCK_BEGUN = re.compile(r"(?:[-*+•]|\d{1,3}[.)]?)[ \t]*|#{1,6}|`{1,2}|~{1,2}|>")
_BLOCK_LINE = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)[ \t]+\S")
_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_LAST_WORD = re.compile(r"\w+$")
_FIRST_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"\w://\S*$|\]\([^)\s]*$")
_ENDS = '"”»›)]}.!?…:;,%°*_`~۔؟।،؛'
_BEGINS = '"“„«‘¿¡([*`–&$€£|'
_PAIRED = '*_`~"”“„«»'
_CONTEXT = 64  # characters before the seam that can be one cluster with what follows


def white_left(shown: str, said: str, *, exact: bool) -> int:
    """How much of the reply's leading white space was shown with the transcript already."""
    if said.startswith(shown):
        return len(shown)
    if exact:
        return next(i for i, char in enumerate(shown) if said[i : i + 1] != char)
    lines = shown.count("\n")
    if not lines:
        return 0 if "\n" in said else len(said)
    at = 0
    while lines and "\n" in said[at:]:
        at = said.index("\n", at) + 1
        lines -= 1
    if "\n" in said[at:]:
        return at
    indent = len(shown) - shown.rindex("\n") - 1
    return min(len(said), at + indent)


class Mending:
    """What one transcript needs between its end and a reply that brings no white space."""

    def __init__(self, transcript: str, *, finished: bool, cut: bool) -> None:
        """`finished`: ends with a sentence or line. `cut`: by us, at such an end."""
        self._text = transcript
        self._finished = finished
        self._cut = cut
        self._lines = transcript.split("\n")[-2:]
        self._line = self._lines[-1]
        self._fence = open_fence(transcript)
        self._in_code = self._fence is not None or opens(self._line, "`")

    def mend(self, reply: str, *, done: bool) -> str | None:
        """A line break, a space or nothing; None while more of the reply must be seen."""
        if not self._text or self._text[-1].isspace() or not reply:
            return ""
        white = reply[: len(reply) - len(reply.lstrip())]
        if white:
            indented = self._fence is not None and white.startswith(("  ", "\t"))
            return "\n" if "\n" not in white and (indented or self._line_is_over()) else ""
        if self._line_is_over():
            return "\n"
        if not done and _BLOCK_BEGUN.fullmatch(reply):
            return None
        if _BLOCK.match(reply) and self._may_begin_block(reply):
            return "\n"
        return self._space(reply, done=done)

    def _line_is_over(self) -> bool:
        """True where nothing may stand behind what the transcript ends in."""
        if self._fence is None:
            heading = self._cut and _HEADING.match(self._line)
            return bool(heading) or ends_in_closing_fence(self._text)
        return self._cut or fence_in(self._line) is not None

    def _may_begin_block(self, reply: str) -> bool:
        """True where the list item, heading, row or fence that the reply begins with can stand."""
        if reply.startswith(("```", "~~~")):
            return True
        if self._fence is not None:
            return False
        if reply[0] == "|" and self._line.lstrip().startswith("|"):
            above = self._lines[0].count("|") if len(self._lines) > 1 else 0
            return self._line.endswith("|") and self._line.count("|") >= above
        return self._finished or _BLOCK_LINE.match(self._line) is not None

    def _space(self, reply: str, *, done: bool) -> str | None:
        """A space between what would run together."""
        context = self._text[-_CONTEXT:]
        if graphemes.joined(context + reply[0], len(context)) or _ADDRESS.search(self._line):
            return ""
        before = _base(context)
        after = reply[0]
        if is_unspaced(before) or is_unspaced(after):
            return ""
        if is_word(before) and is_word(after):
            return self._between_words(before, reply, done=done)
        if self._in_code:
            return " " if before in ",;" and is_word(after) else ""
        if after in _PAIRED or before in _PAIRED:
            verdict = self._inside_pair(before, reply, done=done)
            if verdict != " ":
                return verdict
        number = before in ".,:" and context[-2:-1].isdigit() and after.isdigit()
        return " " if not number and _may_end(before) and _may_begin(before, after) else ""

    def _between_words(self, before: str, reply: str, *, done: bool) -> str | None:
        """A space, unless both are parts of one number or of a word that the text knows."""
        if before.isdigit() and reply[0].isdigit():
            return ""
        last, first = _LAST_WORD.search(self._text), _FIRST_WORD.match(reply)
        if last is None or first is None:
            return " "
        if first.end() == len(reply) and not done:
            return None
        known = _FIRST_WORD.findall(self._text[: last.start()])
        return "" if last[0] + first[0] in known and last[0] not in known else " "

    def _inside_pair(self, before: str, reply: str, *, done: bool) -> str | None:
        """Nothing behind a mark that opens, or before one that closes; else a space may be."""
        after = run_of(reply, 0)
        if after[0] in _PAIRED:
            if len(after) == len(reply) and not done:
                return None
            if opens(self._line, after):
                return ""
        behind = run_of(self._text[::-1], 0)
        return "" if before in _PAIRED and opens(self._line, behind) else " "


def _base(text: str) -> str:
    """The last character of a text, without the marks on it."""
    at = len(text) - 1
    while at > 0 and graphemes.extends(text[at]):
        at -= 1
    return text[at]


def _is_picture(char: str) -> bool:
    return unicodedata.category(char) == "So"


def _may_end(char: str) -> bool:
    return is_word(char) or char in _ENDS or _is_picture(char)


def _may_begin(before: str, char: str) -> bool:
    return is_word(char) or char in _BEGINS or (_is_picture(char) and not _is_picture(before))
