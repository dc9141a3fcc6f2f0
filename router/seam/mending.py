"""The white space of a seam: none twice, none missing between two words or two lines."""

from __future__ import annotations

import re
import unicodedata

from router import graphemes
from router.fences import ends_in_closing_fence, fence_in, open_fence
from router.seam.folding import is_unspaced, is_word
from router.seam.overlap import opens, run_of

_BLOCK = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]+\S|#{1,6}[ \t]|```|~~~|\||>[ \t]")
_BLOCK_BEGUN = re.compile(r"(?:[-*+•]|\d{1,3}[.)]?)[ \t]*|#{1,6}|`{1,2}|~{1,2}|>")
_BLOCK_LINE = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)[ \t]+\S")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_SENTENCE_ENDS = {*".!?:…。！？।॥۔؟"}
_CLOSERS = "\"'”’»)]*_`"
_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_MARKER = re.compile(r"[ \t]*(?:[-*+•>]|\d{1,3}[.)]|#{1,6})$")
_OPERATOR = re.compile(r"[-+=<>/×÷&|–—]+[ \t]")
_OPERATOR_BEGUN = re.compile(r"[-+=<>/×÷&|–—]+")
_BEHIND_OPERATOR = re.compile(r"\s[-+=<>/×÷&|–—]+$")
_JSON = re.compile(r"\s*[{\[]\s*[\"{\[]")
_INFO = re.compile(r"[\w+#-]*")
_LAST_WORD = re.compile(r"\w+$")
_WORD = re.compile(r"\w+")
_LINK_TARGET = re.compile(r"\]\([^)\s]*$")
_ADDRESS = re.compile(r"\w://\S*$")
_TOKEN = re.compile(r"\S*")
_ENDS = '"”“»›$)]}.!?…:;,%°*_`~۔؟।،؛'
_BEGINS = '"“„«‘¿¡([*`–&$€£|'
_PAIRED = '$*_`~"”“„«»'
_RECENT = 4000  # characters before the seam in which a broken word may stand whole
_LONG = 40  # characters: no word of which more should be seen
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
        self._above, self._line = ["", *transcript.split("\n")][-2:]
        self._fence = open_fence(transcript)
        self._row = self._fence is None and self._line.lstrip().startswith("|")
        cells = max(self._above.count("|"), 2)
        self._row_is_whole = self._line.endswith("|") and self._line.count("|") >= cells
        self._inline_code = opens(self._line, "`") or _JSON.match(transcript) is not None

    def mend(self, reply: str, *, done: bool) -> str | None:
        """A line break, a space or nothing; None while more of the reply must be seen."""
        if not self._text or self._text[-1].isspace() or not reply:
            return ""
        white = reply[: len(reply) - len(reply.lstrip())]
        if white:
            return self._before_white(white, reply.lstrip(), done=done)
        if self._line_is_over():
            return self._behind_line(reply, done=done)
        if not done and _BLOCK_BEGUN.fullmatch(reply):
            return None
        if self._block_is_over(reply):
            return "\n" if _BLOCK.match(reply) else "\n\n"
        if self._row and reply[0] != "|":
            return self._in_row(reply, done=done)
        if _BLOCK.match(reply) and self._may_begin_block(reply):
            return "\n"
        return self._space(reply, done=done)

    def _before_white(self, white: str, reply: str, *, done: bool) -> str | None:
        """A line break, where the reply begins with a mere space."""
        if "\n" in white:
            return ""
        indented = self._fence is not None and white.startswith(("  ", "\t"))
        if indented or self._line_is_over():
            return "\n"
        if not reply or (_BLOCK_BEGUN.fullmatch(reply) and not done):
            return "" if done else None
        return "\n\n" if self._block_is_over(reply) and not _BLOCK.match(reply) else ""

    def _block_is_over(self, reply: str) -> bool:
        """True behind a whole row, or behind a list item that was cut and is no sentence.

        Prose on the next line would still belong to them: it needs a blank line.
        """
        if self._row:
            below = self._above.lstrip().startswith("|")
            return below and self._row_is_whole and reply[0] != "|"
        item = self._cut and self._fence is None and _ITEM.match(self._line)
        return bool(item) and self._line.rstrip(_CLOSERS)[-1:] not in _SENTENCE_ENDS

    def _in_row(self, reply: str, *, done: bool) -> str | None:
        """A space in a cell; before prose, which has no cells, the row is left as it is."""
        line, broken, _ = reply[:_LONG].partition("\n")
        if "|" in line:
            return self._space(reply, done=done)
        if not (broken or done or len(reply) >= _LONG):
            return None
        return "\n\n" if broken or reply[0].isupper() else self._space(reply, done=done)

    def _line_is_over(self) -> bool:
        """True where nothing may stand behind what the transcript ends in."""
        if self._fence is None:
            heading = self._cut and _HEADING.match(self._line)
            return bool(heading) or ends_in_closing_fence(self._text)
        return self._cut or fence_in(self._line) is not None

    def _behind_line(self, reply: str, *, done: bool) -> str | None:
        """A line break, but for the language that belongs to a bare fence."""
        if self._fence is not None and self._line.strip() == self._fence.mark:
            info = _first(_INFO, reply, done=done)
            if info is None:
                return None
            if info and reply[len(info) : len(info) + 1] == "\n":
                return ""
        return "\n"

    def _may_begin_block(self, reply: str) -> bool:
        """True where the list item, heading, row or fence that the reply begins with can stand."""
        if self._fence is not None or reply[0] in "`~#":
            return reply[0] in "`~" or self._fence is None
        if reply[0] == "|" and self._row:
            return self._row_is_whole
        return self._finished or _BLOCK_LINE.match(self._line) is not None

    def _space(self, reply: str, *, done: bool) -> str | None:
        """A space between what would run together."""
        context = self._text[-_CONTEXT:]
        before, after = _base(context), reply[0]
        if graphemes.joined(context + after, len(context)) or _LINK_TARGET.search(self._line):
            return ""
        if _ADDRESS.search(self._line):
            return self._behind_address(before, reply, done=done)
        if is_unspaced(before) or is_unspaced(after):
            return ""
        if self._beside_sign(before, after):
            return " "
        if _OPERATOR_BEGUN.fullmatch(reply) and not done:
            return None
        if is_word(before) and is_word(after):
            return self._between_words(before, reply, done=done)
        if self._fence is not None or self._inline_code:
            return self._in_code(before, reply)
        return self._between_marks(before, reply, done=done)

    def _behind_address(self, before: str, reply: str, *, done: bool) -> str | None:
        """A space before a plain word; anything else is more of the address."""
        token = _first(_TOKEN, reply, done=done) if is_word(before) else ""
        if token is None:
            return None
        return " " if token.rstrip(".,;:!?").isalpha() else ""

    def _beside_sign(self, before: str, after: str) -> bool:
        """True behind a bullet or an operator that has a space on its other side."""
        if _MARKER.match(self._line):
            return after != before
        begins = is_word(after) or after in _BEGINS
        return begins and _BEHIND_OPERATOR.search(self._line) is not None

    def _in_code(self, before: str, reply: str) -> str:
        """Between two statements a line break, behind a comma a space, else nothing."""
        if _OPERATOR.match(reply):
            return " " if is_word(before) or before in ")]" else ""
        if self._fence is None or not (is_word(reply[0]) or reply[0] == '"'):
            return ""
        if before in ")]};" and is_word(reply[0]):
            return "\n"
        return " " if before in ",:;" else ""

    def _between_words(self, before: str, reply: str, *, done: bool) -> str | None:
        """A space, unless both are parts of one number or of a word that the text knows."""
        if before.isdigit() and reply[0].isdigit():
            return ""
        text = self._text[-_RECENT:]
        last, first = _LAST_WORD.search(text), _first(_WORD, reply, done=done)
        if first is None:
            return None
        known = _WORD.findall(text[: last.start()]) if last else []
        return "" if last and last[0] + first in known and last[0] not in known else " "

    def _between_marks(self, before: str, reply: str, *, done: bool) -> str | None:
        """A space, but not inside a pair of marks, a link or a number."""
        after = reply[0]
        if _OPERATOR.match(reply) and (is_word(before) or before in ")]"):
            return " "
        if after in _PAIRED:
            run = run_of(reply, 0)
            if len(run) == len(reply) and not done:
                return None
            if opens(self._line, run):
                return ""
        if before in _PAIRED and opens(self._line, run_of(self._text[::-1], 0)):
            return ""
        number = before in ".,:" and self._text[-2:-1].isdigit() and after.isdigit()
        link = before == "]" and after in "(["
        apart = _may_end(before) and _may_begin(before, after)
        return " " if apart and not number and not link else ""


def _first(kind: re.Pattern[str], reply: str, *, done: bool) -> str | None:
    """What the reply begins with, None while that may go on."""
    match = kind.match(reply)
    found = match[0] if match else ""
    return None if len(found) == len(reply) < _LONG and not done else found


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
