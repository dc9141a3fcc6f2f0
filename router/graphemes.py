"""Which characters a reader sees as one: extended grapheme clusters (UAX #29), compactly.

A letter and its marks, an emoji with its skin tone, the members of a family joined by ZWJ, the
two halves of a flag, a Hangul syllable in its parts: no cut may run through one of them.
"""

from __future__ import annotations

import re
import unicodedata

ZWJ = "\u200d"
_EXTENDERS = "\u200c\u0e33\u0eb3\uff9e\uff9f"  # join what precedes them, without being marks
# Signs that enclose the digits behind them.
_PREPENDED = (
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
_VIRAMAS = "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u1039\u17d2"
_CONSONANT = re.compile("[\u0900-\u0d7f\u1000-\u109f\u1780-\u17ff]")
_PICTURE = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf"
    "\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa"
    "\U0001f400-\U0001faff]"
)
_LEADS, _VOWELS, _TAILS = (
    "[\u1100-\u115f\ua960-\ua97c]",
    "[\u1160-\u11a7\ud7b0-\ud7c6]",
    "[\u11a8-\u11ff\ud7cb-\ud7fb]",
)
_HANGUL = re.compile(
    rf"{_LEADS}(?:{_LEADS}|{_VOWELS}|[\uac00-\ud7a3])|{_VOWELS}(?:{_VOWELS}|{_TAILS})|{_TAILS}{_TAILS}"
)


def joined(text: str, at: int) -> bool:
    """True when the characters on both sides of `at` are parts of one cluster."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return before == "\r" and after == "\n"
    if _is_control(before) or _is_control(after):
        return False
    return (
        extends(after)
        or before in _PREPENDED
        or (before == ZWJ and _joins_pictures(text, at))
        or (_is_half_flag(after) and _half_flags_before(text, at) % 2 == 1)
        or _is_hangul_pair(before, after)
        or _is_conjunct(text, at)
    )


def floor(text: str, at: int) -> int:
    """The last place at or before `at` where no cluster is cut."""
    while joined(text, at):
        at -= 1
    return at


def extends(char: str) -> bool:
    """True for what only ever goes on from the character before it."""
    return (
        unicodedata.category(char)[0] == "M"
        or char == ZWJ
        or char in _EXTENDERS
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags, as in the flag of Scotland
    )


def _is_control(char: str) -> bool:
    kind = unicodedata.category(char)
    if kind == "Cf":
        return not (extends(char) or char in _PREPENDED)
    return kind in {"Cc", "Zl", "Zp"}


def _joins_pictures(text: str, at: int) -> bool:
    """A picture, its marks, ZWJ, a picture."""
    base = at - 2
    while base > 0 and extends(text[base]) and text[base] != ZWJ:
        base -= 1
    return base >= 0 and bool(_PICTURE.match(text[base]) and _PICTURE.match(text[at]))


def _is_half_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _half_flags_before(text: str, at: int) -> int:
    begin = at
    while begin > 0 and _is_half_flag(text[begin - 1]):
        begin -= 1
    return at - begin


def _is_hangul_pair(before: str, after: str) -> bool:
    if "\uac00" <= before <= "\ud7a3":
        whole = (ord(before) - 0xAC00) % 28 != 0  # has its final consonant already
        return bool(re.match(_TAILS if whole else f"{_VOWELS}|{_TAILS}", after))
    return _HANGUL.match(before + after) is not None


def _is_conjunct(text: str, at: int) -> bool:
    """Consonants of an Indic script that a virama binds."""
    base = at - 1
    bound = False
    while base > 0 and extends(text[base]):
        bound = bound or text[base] in _VIRAMAS
        base -= 1
    return bound and _is_consonant(text[base]) and _is_consonant(text[at])


def _is_consonant(char: str) -> bool:
    return _CONSONANT.match(char) is not None and unicodedata.category(char) == "Lo"
