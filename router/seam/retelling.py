"""Where a reply tells again what the client has read.

`Told` is the transcript as it is compared, folded (`router.seam.folding`). A `Retelling` follows one
reply through it, character by character, from every place where a model may have started over.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from router.fences import blocks
from router.seam.anchor import anchor, squeeze
from router.seam.folding import Folded, is_unspaced, is_word

MARKS = '.,;:!?。、।॥،؛؟።…"'  # ends of sentences and clauses, and quotes, which fold to one
ENDINGS = ".!?:…。！？：।॥۔؟።"
CLOSERS = "\"'”’“»›)]}」』】）］*_`~ \t"
_NEARBY = 400  # letters before the end: here a model may start over at any word
_RECENT = 1500  # characters before the end: here it may do so at any paragraph
_LINE_END = re.compile(r"\n")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_TITLE = re.compile(r"#{1,6}\s[^\n]*\n")
_WORDS = re.compile(r"\w")
_BULLET = re.compile(r"[ \t]*[-*+•>][ \t]+\S")
_STARTS = '[(<{$"“„«¿¡@'  # what an author may start over with inside a line, besides a word
_ONLY_A_MARKER = re.compile(r"\s*(?:\d{1,3}[.)]|[-*+•>|]|#{1,6})\s*[*_`\"“„«]*")


class Told:
    """What the client has been shown."""

    def __init__(self, text: str, *, finished: bool) -> None:
        """`finished`: the text was cut at the end of a sentence."""
        shown = text.rstrip()
        folded = Folded(text)
        self.text = text
        self.white = text[len(shown) :]
        self.all_letters = "".join(folded.letters)
        self.letters = self.all_letters.rstrip(MARKS)
        self.origins = folded.origins[: len(self.letters)]
        self.end = self.origins[-1] + 1 if self.letters else 0  # behind the last letter
        last_line = text[text.rfind("\n") + 1 :]
        ended = shown.rstrip(CLOSERS)[-1:] in {*ENDINGS} or "\n" in self.white
        begun = _ONLY_A_MARKER.fullmatch(last_line.rstrip()) is not None
        self.is_heading = finished and last_line.startswith("#")
        self.finished = finished or (ended and not begun)
        asked_for = anchor(text)
        self.anchor = squeeze(asked_for)
        self.line = squeeze(last_line) if _is_worth_repeating(text) and not self.finished else ""
        self.anchor_letters = len("".join(Folded(asked_for).letters).rstrip(MARKS))

    @property
    def row_is_over(self) -> bool:
        """True when the text ends with the last cell of a table's row, as far as one can tell."""
        above, line = ["", *self.text.rstrip().split("\n")][-2:]
        return line.endswith("|") and 1 < above.count("|") <= line.count("|")

    def begins_line(self, start: int) -> bool:
        """True when nothing stands before that letter on its line."""
        before = self.text[: self.origins[start]]
        return not before[before.rfind("\n") + 1 :].strip()

    @property
    def word_is_over(self) -> bool:
        """True when something stands behind the last word already."""
        return 0 < self.end < len(self.text) and is_word(self.text[self.end - 1])

    @cached_property
    def starts(self) -> list[int]:
        """Where in the letters a model may begin when it starts over.

        At the beginning, at a paragraph not long ago, at any line of the last one, at any word
        nearby; but not inside a code block that is closed, which may be shown again and changed.
        """
        size = len(self.letters)
        found = {0, *filter(self._begins_word, range(max(0, size - _NEARBY), size))}
        found.update(bisect_left(self.origins, line) for line in self._lines())
        done = [(fence.start, end) for fence, end in blocks(self.text.rstrip()) if end is not None]
        shown = [(begin, end) for begin, end in done if end < len(self.text.rstrip())]
        return sorted(
            at
            for at in found
            if at < size and not any(begin < self.origins[at] < end for begin, end in shown)
        )

    def _lines(self) -> Iterator[int]:
        """Where those lines begin at which a model may start over."""
        paragraphs = [match.end() for match in _BLANK_LINE.finditer(self.text)]
        last = paragraphs[-1] if paragraphs else 0
        yield from (begin for begin in paragraphs if begin > len(self.text) - _RECENT)
        yield from (match.end() for match in _LINE_END.finditer(self.text, last))
        if title := _TITLE.match(self.text):
            yield title.end()

    def _begins_word(self, at: int) -> bool:
        origin = self.origins[at]
        if at and self.origins[at - 1] == origin:
            return False  # the second letter of a ligature
        before, char = self.text[origin - 1 : origin], self.text[origin]
        if not (is_word(char) or char in _STARTS or unicodedata.category(char) == "So"):
            return before.isspace()
        return not is_word(before) or is_unspaced(char) or is_unspaced(before)


def _is_worth_repeating(text: str) -> bool:
    """True when the last line says something, and not the same as the one above."""
    above, _, line = text.rpartition("\n")
    told = _WORDS.search(line) or _BULLET.match(line)
    return told is not None and squeeze(above[above.rfind("\n") + 1 :]) != squeeze(line)


class Retelling:
    """A reply compared with what was told, from the place where the reply begins."""

    def __init__(self, told: Told, begin: int) -> None:
        """`begin`: index in the reply."""
        self.begin = begin
        self.anchored: int | None = None  # behind the words that were asked for
        self.line_told: int | None = None  # behind the unfinished last line, said to the letter
        self.matches: list[tuple[int, int]] = []  # start in the letters told, end in the reply
        self._told = told
        self._said = Folded()
        self._compared = 0  # letters
        self._live = told.starts
        self._squeezed = ""  # what was said, without white space, as far as it matters
        self._on_line = True  # no line break came before it

    @property
    def first_letter(self) -> int:
        """Where in the reply the words begin, behind quotation marks and bullets."""
        return self.begin + (self._said.origins or [0])[0]

    @property
    def alive(self) -> bool:
        """True while what comes next may still be a repetition."""
        return bool(self._live) or any(
            text != self._squeezed and text.startswith(self._squeezed)
            for text in (self._told.anchor, self._told.line)
        )

    def ends_at(self, end: int) -> bool:
        """True while what stands behind a match is still to come."""
        return any(match_end == end for _, match_end in self.matches)

    def push(self, char: str) -> None:
        """The next character of the reply."""
        self._said.push(char)
        end = self.begin + self._said.length
        if not char.isspace() and len(self._squeezed) < len(self._told.anchor + self._told.line):
            self._squeezed += char
            if self._squeezed == self._told.anchor:
                self.anchored = end
            if self._squeezed == self._told.line and self._on_line:
                self.line_told = end
        elif char == "\n" and not self._squeezed:
            self._on_line = False
        letters, origins = self._said.letters, self._said.origins
        while self._live and self._compared < len(letters):
            at = self._compared
            whole = at + 1 == len(letters) or origins[at + 1] != origins[at]
            self._compare(letters[at], self.begin + origins[at] + 1 if whole else None)
            self._compared += 1

    def _compare(self, letter: str, end: int | None) -> None:
        """Keep the starts that this letter agrees with; `end`: behind it, if it can be cut there."""
        told, behind = self._told.letters, self._compared + 1
        live = [start for start in self._live if told[start + behind - 1] == letter]
        self._live = [start for start in live if start + behind < len(told)]
        if end is not None:
            whole = [(start, end) for start in live if start + behind == len(told)]
            self.matches = whole + self.matches  # the longest first
