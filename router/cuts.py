"""Where to cut a text in which no sentence ends: between lines, words or clauses.

Never inside what a reader takes for one thing: a code block, a link, an address, inline code,
bold type, a grapheme cluster. Where the whole text is one code block, between two of its lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from router import graphemes
from router.fences import blocks

_WHOLE = re.compile(
    r"!?\[[^\]\n]*(?:\](?:\([^)\n]*(?:\)|$))?|$)"  # a link, perhaps unfinished
    r"|\w+://\S*"
    r"|(`+)(?!`).*?(?:(?<!`)\1(?!`)|$)"
    r"|\*\*[^*\n]+(?:\*\*|$)",
    re.MULTILINE,
)
_BREAKS = (re.compile(r"\n"), re.compile(r"[^\S\n]"), re.compile(r"(?<=[，、；：,;])"))


def last_break(text: str) -> int:
    """Length of the part that may be shown; all of the text where nothing else will do."""
    whole = list(_whole(text))
    for kind in _BREAKS:
        for match in reversed(list(kind.finditer(text))):
            cut = len(text[: match.start()].rstrip())
            if cut and _is_between(text, cut, whole):
                return cut
    return graphemes.floor(text, len(text) - 1) or len(text)


def _whole(text: str) -> Iterator[tuple[int, int]]:
    """What must not be cut: from where to where."""
    for fence, end in blocks(text):
        if end is None and not text[: fence.start].strip():  # its lines may be parted
            yield fence.start, fence.start + len(text[fence.start : fence.end].rstrip("\n"))
        else:
            yield fence.start, len(text) if end is None else end
    for match in _WHOLE.finditer(text):
        yield match.span()


def _is_between(text: str, cut: int, whole: list[tuple[int, int]]) -> bool:
    inside = any(start < cut < end for start, end in whole)
    return not inside and cut < len(text) and not graphemes.joined(text, cut)
