"""Whether a match is a repetition, and where in the reply it ends.

A match must be long enough, or literal enough, not to be one that the author meant: "ha ha", a
refrain, two equal rows of a table, the same line of code twice.
"""

from __future__ import annotations

import re

from router.anchor import squeeze
from router.folding import fold, is_unspaced, is_word
from router.languages import is_common_word
from router.retelling import ENDINGS, MARKS, Told

_ENOUGH = 8  # letters, where an ideograph counts for two: a shorter match must be literal
_LITERAL = 4  # the shortest sentence or line, said to the letter, that is trimmed
_LITERAL_UNSPACED = 6
_OPENERS = "\"'“„«»‹¡¿([{「『（*_`~ \t"
_MARKUP = "*_`~"
_OWN = {*_MARKUP, *'"”“»«„'}  # come in pairs: one may close what the reply itself opened


def repeats(told: Told, start: int, said: str, behind: str) -> bool:
    """True when the reply says again what was told from `start` on.

    `said`: in the reply's words. `behind`: the reply's next character, if there is one.
    """
    if told.word_is_over and is_word(behind):
        return False
    part = told.text[told.origins[start] : told.end]
    weight = sum(2 if is_unspaced(char) else 1 for char in part if fold(char))
    words = len("".join(char if is_word(char) else " " for char in part).split())
    unspaced = is_unspaced(part[0])
    literal = _plain(part) == _plain(said)
    if _goes_on_repeating(told, start):
        return False
    if weight >= _ENOUGH and (start == 0 or words > 1 or unspaced or not told.finished):
        return True
    if not literal or start == 0:
        return literal
    if told.finished or (words == 1 and not unspaced):
        begins = _begins_sentence(told, start) and weight >= (_LITERAL if told.finished else 2)
        return begins or _is_broken_off(told, part, behind)
    return weight >= (_LITERAL_UNSPACED if unspaced else _LITERAL)


def _goes_on_repeating(told: Told, start: int) -> bool:
    """True when the text ends in a repetition of its own, which may go on.

    Such a match is believed where it is longer than the words that were asked for.
    """
    part = told.letters[start:]
    if len(part) >= told.anchor_letters:
        return False
    period = (part + part).find(part, 1)
    return period < len(part) or told.letters.endswith(part + part)


def _begins_sentence(told: Told, start: int) -> bool:
    before = told.text[: told.origins[start]].rstrip(_OPENERS)
    return not before or before[-1] in ENDINGS + "\n"


def _is_broken_off(told: Told, part: str, behind: str) -> bool:
    """True for the beginning of a word or number that the reply says in full."""
    if told.word_is_over or not all(map(is_word, part)):
        return part.isdigit() and not told.finished
    if part.isdigit():
        return True
    rare = len(part) > 2 or (len(part) == 2 and not part.islower())
    whole_elsewhere = len(re.findall(rf"\b{re.escape(part)}\b", told.text)) > 1
    return is_word(behind) and rare and not is_common_word(part) and not whole_elsewhere


def _plain(text: str) -> str:
    return "".join(filter(fold, text))


def end_of_repetition(told: Told, reply: str, end: int, *, done: bool) -> int | None:
    """Behind the marks that belong to a repetition whose last letter stands before `end`.

    The transcript's own marks are said again with it; a mark in the place of another is dropped;
    what the repetition opened (`**`, a quotation) is closed by it. None: more must be seen.
    """
    marks = squeeze(told.text[told.end :])
    at = end
    while at < len(reply):
        if reply[at].isspace():
            if not marks:
                return end
            at += 1
            continue
        taken, marks = _mark_again(told, reply, at, marks)
        if at + taken == len(reply) and reply[at] in _OWN and not done:
            return None
        if not taken:
            return end
        at += taken
        end = at
    return end if done or not marks else None


def _mark_again(told: Told, reply: str, at: int, marks: str) -> tuple[int, str]:
    """How much of the reply goes as a mark said again, and the transcript's marks behind it."""
    char = reply[at]
    known = _find(marks, char)
    if known >= 0:
        return 1, marks[known + 1 :]
    if char in _OWN:
        run = run_of(reply, at)
        return (len(run) if _closes_own(told, reply[:at], run) else 0), marks
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


def _closes_own(told: Told, said: str, run: str) -> bool:
    """True when the repetition opened this mark, and the transcript has none open."""
    line = told.text[told.text.rfind("\n") + 1 :]
    return opens(said, run) and not opens(line, run)


def opens(text: str, mark: str) -> bool:
    """True when a text leaves a paired mark open."""
    if mark[0] in "”“„":
        return text.count("“") + text.count("„") > text.count("”")
    if mark[0] in "«»":
        return text.count("«") > text.count("»")
    return text.count(mark) % 2 == 1
