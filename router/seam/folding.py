"""A text as an ear would hear it: without case, markdown, white space and the look of its marks.

Two texts that fold to the same are said twice, however they are typeset.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_MARKUP = "*_`#~\\"
_QUOTES = "\"'“”„‟‘’‚‛«»‹›「」『』＂＇"
_DASHES = "-‐‑‒–—―−－﹣"
_BULLETS = "-+•‣⁃·–—*"  # where one stands alone at the beginning of a line


def is_word(char: str) -> bool:
    """True for a part of a word: letter, digit, or a mark on one."""
    return char != "" and (char.isalnum() or unicodedata.category(char)[0] == "M")


def is_unspaced(char: str) -> bool:
    """Chinese, Japanese, Thai, Lao, Khmer, Burmese: no spaces between words or sentences."""
    return (
        "\u3000" <= char <= "\u9fff"
        or "\uff00" <= char <= "\uffef"
        or "\U00020000" <= char <= "\U0003ffff"
        or "\u0e00" <= char <= "\u0eff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
    )


@lru_cache(4096)
def fold(char: str) -> str:
    """What is left of one character; nothing of white space and markup."""
    if char.isspace() or char in _MARKUP:
        return ""
    if char in _QUOTES:
        return '"'
    if char in _DASHES:
        return "-"
    kind = unicodedata.category(char)
    if kind in {"Cf", "Cc"} or "\ufe00" <= char <= "\ufe0f":  # invisible
        return ""
    return "".join(unicodedata.normalize("NFKD", char).casefold().split())


class Folded:
    """A folded text that grows, and where each of its characters came from."""

    def __init__(self, text: str = "") -> None:
        """Fold what is there already."""
        self.letters: list[str] = []
        self.origins: list[int] = []  # index in the text that this letter came from
        self.length = 0  # of the text
        self._bullet: str | None = None  # one that may stand alone
        self._line_begins = True  # no word has come on this line
        for char in text:
            self.push(char)

    def push(self, char: str) -> None:
        """One more character of the text."""
        if self._bullet is not None:
            bullet, self._bullet = self._bullet, None
            if not char.isspace():
                self._add(fold(bullet), self.length - 1)
        if self._line_begins and char in _BULLETS:
            self._bullet = char
        else:
            self._add(fold(char), self.length)
        self._line_begins = char == "\n" or (self._line_begins and char.isspace())
        self.length += 1

    def _add(self, letters: str, origin: int) -> None:
        if letters == "-" and self.letters[-1:] == ["-"]:
            letters = ""  # the rule of a table may be drawn longer
        self.letters.extend(letters)
        self.origins.extend([origin] * len(letters))
