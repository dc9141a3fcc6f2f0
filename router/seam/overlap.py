"""Whether a match is a repetition, and where in the reply it ends.

A match must be long enough, or literal enough, not to be one that the author meant: "ha ha", a
refrain, two equal rows of a table, the same line of code twice.
"""

from __future__ import annotations

import re

from router.languages import is_common_word
from router.seam.anchor import squeeze
from router.seam.folding import fold, is_unspaced, is_word
from router.seam.retelling import ENDINGS, MARKS, Told

_ENOUGH = 8  # letters, where an ideograph counts for two: a shorter match must be literal
_LITERAL = 4  # the shortest sentence or line, said to the letter, that is trimmed
_LITERAL_UNSPACED = 6
_LEAD = re.compile(r"\W*(?:\d{1,3}[.)])?\W*")  # what stands before the words of a line
_NUMBER = re.compile(r"\d[\d.,:]*")
_OPENERS = "\"'“„«»‹¡¿([{「『（*_`~ \t"
_MARKUP = "*_`~"
_PARTNER = {"”": "“", "»": "«"}
_BRACKETS = {"」": "「", "』": "『"}
_OWN = {*_MARKUP, *'"”“»«„'}  # come in pairs: one may close what the reply itself opened


def repeats(told: Told, start: int, said: str, behind: str) -> bool:
    """True when the reply says again what was told from `start` on.

    `said`: in the reply's words. `behind`: the reply's next character, if there is one.
    """
    if told.word_is_over and is_word(behind):
        return False  # another, longer word
    if told.is_heading and behind.strip("*_#\n"):
        return False  # a sentence that begins like the heading
    part = told.text[told.origins[start] : told.end]
    literal = _plain(part) == _plain(said)
    if not any(map(is_word, part)):
        return literal and part.startswith("|-")  # the rule of a table
    if part[0] == "|" and not told.begins_line(start) and told.row_is_over and behind.strip("\n"):
        return False  # another row, that begins as this one ends
    if _goes_on_repeating(told, start):
        return False
    return _is_long(told, start, part) or (literal and _is_literal(told, start, part, behind))


def _is_long(told: Told, start: int, part: str) -> bool:
    """True for what nobody says twice, in whatever case."""
    several = _words(part) > 1
    if several and not told.finished and _begins_sentence(told, start):
        return True
    whole = start == 0 or several or is_unspaced(part[0]) or not told.finished
    return whole and _weight(part) >= _ENOUGH


def _is_literal(told: Told, start: int, part: str, behind: str) -> bool:
    """True for a short match that is believed because it is said to the letter."""
    if start == 0:
        return True
    if told.finished:
        fragment = part[0].islower() and _words(part) > 1
        return (fragment or _begins_sentence(told, start)) and _weight(part) >= _LITERAL
    if _begins_sentence(told, start) or _is_broken_off(told, part, behind):
        return True
    if is_unspaced(part[0]):
        return _weight(part) >= _LITERAL_UNSPACED
    return _words(part) > 1 and _weight(part) >= _LITERAL


def _goes_on_repeating(told: Told, start: int) -> bool:
    """True when the text ends in a repetition of its own, which may go on.

    Such a match is believed where it is longer than the words that were asked for.
    """
    part, before = told.all_letters[start:], told.letters[:start]
    if len(part) >= told.anchor_letters:
        return False
    shared = 0  # letters that stand before the part as well as at its end
    while shared < min(len(part), start) and before[-1 - shared] == part[-1 - shared]:
        shared += 1
    return 2 * shared >= len(part) or (part + part).find(part, 1) < len(part)


def _begins_sentence(told: Told, start: int) -> bool:
    before = told.text[: told.origins[start]]
    line = before[before.rfind("\n") + 1 :]
    return _LEAD.fullmatch(line) is not None or before.rstrip(_OPENERS)[-1:] in {*ENDINGS}


def _is_broken_off(told: Told, part: str, behind: str) -> bool:
    """True for the beginning of a word or number that the reply says in full."""
    if _NUMBER.fullmatch(part):
        return True
    if told.word_is_over or is_unspaced(part[0]) or not all(map(is_word, part)):
        return False
    rare = len(part) > 2 or (len(part) == 2 and not part.islower())
    whole_elsewhere = len(re.findall(rf"\b{re.escape(part)}\b", told.text)) > 1
    return is_word(behind) and rare and not is_common_word(part) and not whole_elsewhere


def _weight(text: str) -> int:
    return sum(2 if is_unspaced(char) else 1 for char in text if fold(char))


def _words(text: str) -> int:
    return len("".join(char if is_word(char) else " " for char in text).split())


def _plain(text: str) -> str:
    return "".join(filter(fold, text))


def end_of_repetition(told: Told, start: int, reply: str, end: int, *, done: bool) -> int | None:
    """Behind the marks that belong to a repetition whose last letter stands before `end`.

    The transcript's own marks are said again with it; a mark in the place of another is dropped;
    what the repetition opened (`**`, a quotation) is closed by it. None: more must be seen.
    """
    marks = squeeze(told.text[told.end :])
    part = told.text[told.origins[start] : told.end]
    at = end
    while at < len(reply):
        if reply[at].isspace():
            if not marks:
                return end
            at += 1
            continue
        if reply[at] in _OWN and at + len(run_of(reply, at)) == len(reply) and not done:
            return None
        taken, marks = _mark_again(told, part, reply, at, marks)
        if not taken:
            return end
        at += taken
        end = at
        if not marks and reply[at : at + 1] == reply[at - 1]:
            return end  # of `**` only one star was shown
    return end if done or not marks else None


def behind_closing(told: Told, reply: str, begin: int, end: int, *, done: bool) -> int | None:
    """Behind the marks that close what the reply opened before the words that were asked for.

    These stand between `begin` and `end`. None: more must be seen.
    """
    while not _OWN.isdisjoint(reply[:begin]):
        run = run_of(reply, end) if end < len(reply) else ""
        if end + len(run) == len(reply) and not done:
            return None
        if not run or run[0] not in _OWN or not _closes_own(told, told.anchor, reply[:end], run):
            break
        end += len(run)
    return end


def _mark_again(told: Told, part: str, reply: str, at: int, marks: str) -> tuple[int, str]:
    """How much of the reply goes as a mark said again, and the transcript's marks behind it."""
    char = reply[at]
    known = _find(marks, char)
    if known >= 0:
        return 1, marks[known + 1 :]
    if char in _OWN:
        run = run_of(reply, at)
        return (len(run) if _closes_own(told, part, reply[:at], run) else 0), marks
    replaced = char in MARKS and marks.strip("".join(_OWN)) != ""
    glued = reply[at + 1 : at + 2].strip() != ""
    return (1, "") if replaced and not glued else (0, marks)


def _find(marks: str, char: str) -> int:
    """Where the mark stands in what is left of the transcript, past markup only."""
    for at, mark in enumerate(marks):
        if mark == char or (fold(mark) and fold(mark) == fold(char)):
            return at
        if mark not in _OWN:
            return -1
    return -1


def run_of(text: str, at: int) -> str:
    """The character that stands there, as often as it stands there."""
    end = at
    while end < len(text) and text[end] == text[at]:
        end += 1
    return text[at:end]


def _closes_own(told: Told, part: str, said: str, run: str) -> bool:
    """True when only the reply opened this mark, and the transcript has none open."""
    line = told.text[told.text.rfind("\n") + 1 :]
    added = said.count(_PARTNER.get(run, run)) > part.count(_PARTNER.get(run, run))
    return added and opens(said, run) and not opens(line, run)


def opens(text: str, mark: str) -> bool:
    """True when a text leaves a paired mark open."""
    if mark[0] in "”“„":
        closed = text.count("”") + (text.count("“") if "„" in text else 0)
        return (text.count("„") or text.count("“")) > closed
    if mark[0] in "«»":
        return text.count("«") > text.count("»")
    if mark[0] in _BRACKETS:
        return text.count(_BRACKETS[mark[0]]) > text.count(mark[0])
    return text.count(mark) % 2 == 1
