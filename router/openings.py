"""What a continuing reply may open with before it goes on, and how much of that is no answer.

A preface ("Sure!", "Here is the rest:"), the code fence of a block that is open already, the
heading or the table head under which the transcript stands, the marker of a list item that was
begun, a quotation mark or dots in front of the words that were asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.fences import ends_in_closing_fence, fence_in, open_fence
from router.folding import Folded, fold, is_unspaced, is_word
from router.prefaces import ANNOUNCED, POLITE

_BREAKS = re.compile(r"(?:[ \t]*\r?\n)*")
_RULE = re.compile(r"(?:-{3,}|\*{3,}|_{3,})[ \t]*\n\s*")
_POLITE_END = re.compile(r"[^\n,.!:，。！：、—–]{0,12}(?:[,.!:，。！：、—–]+|\n)")
_ANNOUNCED_END = re.compile(r"[^\n:.!…：。！]{0,80}(?:[:.!…：。！]+|\n)")
_POLITE_BEGUN = re.compile(r"[^\n,.!:，。！：、—–]{0,12}$")
_ANNOUNCED_BEGUN = re.compile(r"[^\n:.!…：。！]{0,80}$")
_LEAD_IN = re.compile(r"\.{3,}|…|[\"“„«「‘]")
_MARKER = re.compile(r"\s*([-*+•]|#{1,6}|>|\|)\s*")
_MARKDOWN = {"", "markdown", "md", "text", "plaintext", "txt"}


@dataclass(frozen=True, slots=True)
class Skip:
    """A part of the reply that may have to go."""

    end: int  # where the reply goes on; -1 while more of it must be seen
    sure: bool = False  # it goes; otherwise only when a repetition follows
    line: bool = False  # what follows begins a line


_WAIT = Skip(-1)


def _squeezed(phrases: dict[str, str]) -> tuple[str, ...]:
    words = "|".join(phrases.values()).split("|")
    return tuple({"".join(map(fold, word)) for word in words})


_POLITE, _ANNOUNCED = _squeezed(POLITE), _squeezed(ANNOUNCED)


class Openings:
    """The openings that make no sense behind one transcript."""

    def __init__(self, transcript: str) -> None:
        """Look at where the transcript ends."""
        lines = transcript.rstrip().split("\n")
        self.fence = open_fence(transcript)
        self._closed = self.fence is None and ends_in_closing_fence(transcript)
        heads = [line for line in lines if line.startswith("#")]
        self._heading = "" if self.fence or not heads else _letters(heads[-1])
        self._table_head = "" if self.fence else _letters("".join(_table(lines)[:2]))
        marker = _MARKER.fullmatch(transcript[transcript.rfind("\n") + 1 :])
        self._marker = marker[1] if marker else ""
        # In a dialogue, or as the answer to a question, "Sure!" is part of the text.
        self._answers = transcript.rstrip()[-1:] in {*"?？؟\"“„«「'‘"}

    def skip(self, text: str, at: int, *, done: bool) -> Skip | None:
        """What stands at `at` and may have to go. `done`: the reply has ended."""
        begin = at + len(text[at:]) - len(text[at:].lstrip())
        if begin == len(text):
            return None if done else _WAIT
        for look in (self._fence_line, self._head, self._marker_again, _lead_in, self._preface):
            found = look(text, begin)
            if found is not None:
                return Skip(len(text), sure=found.sure) if done and found.end < 0 else found
        return None

    def _fence_line(self, text: str, at: int) -> Skip | None:
        """The line that opens a code block, or closes one, where the transcript did so already."""
        if not (self.fence or self._closed):
            return None
        line_end = text.find("\n", at)
        line = text[at:] if line_end < 0 else text[at : line_end + 1]
        if line.rstrip() in {"`", "``", "~", "~~"}:
            return _WAIT
        begun = fence_in(line)
        if begun is None:
            return None
        if line_end < 0:
            return _WAIT
        if self.fence is None:
            return Skip(line_end + 1, sure=not begun.info, line=True)
        if self.fence.closed_by(line):
            return Skip(line_end + 1, line=True)
        inner = self.fence.info in _MARKDOWN and begun.info not in _MARKDOWN
        return None if inner else Skip(line_end + 1, sure=True, line=True)

    def _head(self, text: str, at: int) -> Skip | None:
        """The heading or the table head that stands above what the transcript ends in."""
        if text[at] == "#" and self._heading:
            return _said_again(text, at, self._heading, 1)
        if text[at] == "|" and self._table_head:
            return _said_again(text, at, self._table_head, 2)
        return None

    def _marker_again(self, text: str, at: int) -> Skip | None:
        """The marker of a list item, behind a transcript that ends in just this."""
        if not self._marker or not self._marker.startswith(text[at : at + len(self._marker)]):
            return None
        end = at + len(self._marker)
        if end >= len(text):
            return _WAIT
        return Skip(end, sure=True) if text[end].isspace() else None

    def _preface(self, text: str, at: int) -> Skip | None:
        """Something said to whoever asked for the rest."""
        said = Folded(text[at:])
        letters = "".join(said.letters)
        waiting = False
        for phrases, ended, begun in (
            (_ANNOUNCED, _ANNOUNCED_END, _ANNOUNCED_BEGUN),
            (_POLITE, _POLITE_END, _POLITE_BEGUN),
        ):
            waiting = waiting or any(phrase.startswith(letters) for phrase in phrases)
            matched = [phrase for phrase in phrases if letters.startswith(phrase)]
            if not matched:
                continue
            phrase = max(matched, key=len)
            behind = at + said.origins[len(phrase) - 1] + 1
            clause = behind if phrase[-1] in ":)]" else None
            if clause is None and not _ends_word(phrase, text[behind : behind + 1]):
                continue
            if clause is None:
                match = ended.match(text, behind)
                clause = match.end() if match else None
            if clause is not None:
                sure = phrases is _ANNOUNCED or (text[clause - 1] in "!！" and not self._answers)
                return _behind_clause(text, clause, sure=sure)
            waiting = waiting or begun.match(text, behind) is not None
        return _WAIT if waiting else None


def _lead_in(text: str, at: int) -> Skip | None:
    """Dots or a quotation mark before the words that were asked for."""
    if text[at:] in {".", ".."}:
        return _WAIT
    match = _LEAD_IN.match(text, at)
    return Skip(match.end()) if match else None


def _behind_clause(text: str, end: int, *, sure: bool) -> Skip:
    """Behind a preface: closing marks, blank lines and a rule belong to it."""
    while end < len(text) and text[end] in "*_)]】）":
        end += 1
    breaks = _BREAKS.match(text, end)
    assert breaks is not None
    rest = text[breaks.end() :]
    if not rest.strip() or re.fullmatch(r"-+|\*+|_+|[-*_]{3,}[ \t]*", rest):
        return Skip(-1, sure=sure)
    if rule := _RULE.match(text, breaks.end()):
        return Skip(rule.end(), sure=sure)
    if breaks.end() == end:
        return Skip(len(text) - len(rest.lstrip()), sure=sure)
    return Skip(breaks.end(), sure=sure)


def _ends_word(phrase: str, behind: str) -> bool:
    """True when the phrase is not just the beginning of a longer word."""
    return not is_word(behind) or is_unspaced(phrase[-1]) or not is_word(phrase[-1])


def _said_again(text: str, at: int, told: str, lines: int) -> Skip | None:
    """`told` in as many lines of the text, if these say it."""
    end = at
    for _ in range(lines):
        line_end = text.find("\n", end)
        if line_end < 0:
            said = _letters(text[at:])
            begun = told.startswith(said) or f"{told}(continued)".startswith(said)
            return _WAIT if begun else None
        end = line_end + 1
    said = _letters(text[at:end]).removesuffix("(continued)")
    if said != told:
        return None
    breaks = _BREAKS.match(text, end)
    return Skip(breaks.end() if breaks else end, sure=True, line=True)


def _table(lines: list[str]) -> list[str]:
    """The lines of the table that a text ends in."""
    begin = len(lines)
    while begin > 0 and lines[begin - 1].lstrip().startswith("|"):
        begin -= 1
    return lines[begin:] if len(lines) - begin > 1 else []


def _letters(text: str) -> str:
    return "".join(Folded(text).letters)
