"""What a continuing reply may open with before it goes on, and how much of that is no answer.

A preface ("Sure!", "Here is the rest:"), the instruction itself, the code fence of a block that is
open already, or of one around the whole reply, the heading or the table head under which the transcript stands, the marker of a list item that was
begun, a quotation mark or dots in front of the words that were asked for.
"""

from __future__ import annotations

import re

from router.fences import ends_in_closing_fence, fence_in, open_fence
from router.seam.folding import Folded
from router.seam.instructions import Instructions
from router.seam.overlap import opens
from router.seam.prefaces import CONTINUED, WAIT, Skip, behind_clause, preface

_LEAD_IN = re.compile(r"\.{3,}|…|[\"“„«「‘]")
_HEADING = re.compile(r"#{1,6}\s|\*\*[^*]+\*\*:?\s*$")
_MARKER = re.compile(r"\s*([-*+•]|#{1,6}|>|\|)\s*")
_OPENING = re.compile(r"(?:\*\*|`|[\"“„«])$")
_LONG = 60  # characters: no name of a language
_MARKDOWN = {"", "markdown", "md", "text", "plaintext", "txt"}


def _letters(text: str) -> str:
    return "".join(Folded(text).letters)


_CONTINUED = tuple(f"({_letters(word)})" for word in CONTINUED)


class Openings:
    """The openings that make no sense behind one transcript."""

    def __init__(self, transcript: str, instruction: str | None = None) -> None:
        """Look at where the transcript ends. `instruction`: see Splice."""
        lines = transcript.rstrip().split("\n")
        self._fence = open_fence(transcript)
        self._closed = self._fence is None and ends_in_closing_fence(transcript)
        self._instructions = Instructions(transcript, instruction)
        heads = [line for line in lines if _HEADING.match(line)]
        self._heading = "" if self._fence or not heads else _letters(heads[-1]).rstrip(":")
        self._table_head = "" if self._fence else _letters("".join(_table(lines)[:2]))
        line = transcript[transcript.rfind("\n") + 1 :]
        bullet, mark = _MARKER.fullmatch(line), _OPENING.search(line)
        self._bullet = bullet[1] if bullet else ""
        self._mark = mark[0] if mark and opens(line, mark[0]) else ""
        # In a dialogue, or as the answer to a question, "Sure!" is part of the text.
        self._answers = transcript.rstrip()[-1:] in {*"?？؟\"“„«「'‘"}

    def skip(self, text: str, at: int, *, done: bool) -> Skip | None:
        """What stands at `at` and may have to go. `done`: the reply has ended."""
        begin = at + len(text[at:]) - len(text[at:].lstrip())
        if begin == len(text):
            return None if done else WAIT
        looks = (self._fence_line, self._head, self._bullet_again, self._mark_again)
        for look in (*looks, _lead_in, self._instruction, self._preface):
            found = look(text, begin)
            if found is not None:
                return Skip(len(text), sure=found.sure) if done and found.end < 0 else found
        return None

    def _fence_line(self, text: str, at: int) -> Skip | None:
        """The line that opens a code block, or closes one, where the transcript did so already.

        Elsewhere one that opens what may hold the whole reply: prose, in a block.
        """
        line_end = text.find("\n", at)
        line = text[at:] if line_end < 0 else text[at : line_end + 1]
        if line in {"`", "``", "~", "~~"}:
            return WAIT
        begun = fence_in(line)
        if begun is None or len(begun.info) > _LONG:
            return None
        if line_end < 0:
            return WAIT
        if self._closed:
            return Skip(line_end, sure=not begun.info)
        if self._fence is None:
            return Skip(line_end) if begun.info in _MARKDOWN else None
        if self._fence.closed_by(line):
            return Skip(line_end)
        inner = self._fence.info in _MARKDOWN and begun.info not in _MARKDOWN
        return None if inner else Skip(line_end, sure=True)

    def _head(self, text: str, at: int) -> Skip | None:
        """The heading or the table head that stands above what the transcript ends in."""
        if text[at] in "#*" and self._heading:
            return _said_again(text, at, self._heading, 1)
        if text[at] == "|" and self._table_head:
            return _said_again(text, at, self._table_head, 2)
        return None

    def _bullet_again(self, text: str, at: int) -> Skip | None:
        """The bullet, behind a transcript that ends in just this."""
        return _if_followed(text, at, self._bullet, by_space=True)

    def _mark_again(self, text: str, at: int) -> Skip | None:
        """The mark that opens a quotation or bold type, where the transcript ends in it."""
        return _if_followed(text, at, self._mark, by_space=False)

    def _instruction(self, text: str, at: int) -> Skip | None:
        """The sentence by which the model was asked to go on."""
        end = self._instructions.said(text, at)
        if end is None:
            return None
        return WAIT if end < 0 else behind_clause(text, end, sure=True)

    def _preface(self, text: str, at: int) -> Skip | None:
        return preface(text, at, answers=self._answers)


def _if_followed(text: str, at: int, marker: str, *, by_space: bool) -> Skip | None:
    """`marker` in the text, if a space or a word stands behind it."""
    end = at + len(marker)
    if not marker or not marker.startswith(text[at:end]):
        return None
    if end >= len(text):
        return WAIT
    followed = text[end].isspace() if by_space else text[end].strip(marker).strip() != ""
    return Skip(end, sure=True) if followed else None


def _lead_in(text: str, at: int) -> Skip | None:
    """Dots or a quotation mark before the words that were asked for."""
    if text[at:] in {".", ".."}:
        return WAIT
    match = _LEAD_IN.match(text, at)
    return Skip(match.end()) if match else None


def _said_again(text: str, at: int, told: str, lines: int) -> Skip | None:
    """`told` in as many lines of the text, if these say it."""
    end = at
    for _ in range(lines):
        line_end = text.find("\n", end)
        if line_end < 0:
            said = _letters(text[at:]).rstrip(":")
            ways = (told, *(told + continued for continued in _CONTINUED))
            return WAIT if any(way.startswith(said) for way in ways) else None
        end = line_end + 1
    said = _letters(text[at:end]).rstrip(":")
    if said != told and said.removeprefix(told) not in _CONTINUED:
        return None
    at = len(text) - len(text[end:].lstrip("\r\n"))
    return Skip(at if at < len(text) else -1, sure=True)


def _table(lines: list[str]) -> list[str]:
    """The lines of the table that a text ends in."""
    begin = len(lines)
    while begin > 0 and lines[begin - 1].lstrip().startswith("|"):
        begin -= 1
    return lines[begin:] if len(lines) - begin > 1 else []
