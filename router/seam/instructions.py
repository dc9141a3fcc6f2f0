"""The instruction to go on, where a model says it again before it follows it."""

from __future__ import annotations

import re
from functools import lru_cache

from router.languages import CONTINUE
from router.seam.anchor import anchor
from router.seam.folding import Folded

_SENTENCE = re.compile(r"[^.。।]+(?:[.。।]+|$)\s*")
_HEAD = 6  # letters by which one is told from the beginning of an answer


class Instructions:
    """What the model may have been told, with the words that it was to begin with."""

    def __init__(self, transcript: str, instruction: str | None) -> None:
        """`instruction`: the only one, where it is not one of the built-in."""
        self._transcript = transcript
        self._templates = tuple(CONTINUE.values()) if instruction is None else (instruction,)
        self._ways: dict[str, str] = {}  # template: folded, with its words

    def said(self, text: str, at: int) -> int | None:
        """Behind the instruction that stands there; -1 while that may come, None if it does not."""
        spoken = Folded(text[at:])
        letters = "".join(spoken.letters)
        behind = None
        for template in self._templates:
            for part in _parts(template):
                head = _head(part)
                if not letters.startswith(head[: len(letters)]):
                    continue
                whole = self._filled(part)
                if whole.startswith(letters) and whole != letters:
                    return -1
                if letters.startswith(whole):
                    behind = max(behind or 0, at + spoken.origins[len(whole) - 1] + 1)
        return behind

    def _filled(self, part: str) -> str:
        if part not in self._ways:
            self._ways[part] = _fold(part.replace("{tail}", anchor(self._transcript)))
        return self._ways[part]


@lru_cache(64)
def _parts(template: str) -> tuple[str, ...]:
    """The sentence that names the last words, alone and with those before and behind it."""
    sentences = [match[0] for match in _SENTENCE.finditer(template.replace("{tail}", "\0"))]
    named = next((at for at, sentence in enumerate(sentences) if "\0" in sentence), None)
    if named is None:
        return (template,)
    parts = [
        "".join(sentences[begin:end])
        for begin in range(named + 1)
        for end in range(named + 1, len(sentences) + 1)
    ]
    return tuple(part.replace("\0", "{tail}") for part in parts)


@lru_cache(256)
def _head(part: str) -> str:
    return _fold(part.partition("{tail}")[0])[:_HEAD]


def _fold(text: str) -> str:
    return "".join(Folded(text).letters)
