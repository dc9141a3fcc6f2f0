"""The anchor: the last words of a transcript, with which a continuing model is asked to begin."""

from __future__ import annotations

from router import graphemes
from router.seam.folding import is_unspaced

_PLENTY = 60  # what an anchor may cost; three times as much where that stands in the text twice
_WORD = 12  # what a word costs: five are plenty
_CHARACTER = 5  # what a character of a script without spaces costs: twelve are plenty
_LONGEST = 60  # characters of one word, an address say, of which the end will do
_FEW = 3  # words that an anchor keeps when it begins with a line


def anchor(transcript: str) -> str:
    """The last few words, and more where these stand in the transcript twice.

    White space becomes single spaces, so that the words fit into a sentence.
    """
    text = transcript.rstrip()
    squeezed = squeeze(text)
    found = ""
    for budget in range(_PLENTY, 3 * _PLENTY, _WORD):
        found = " ".join(text[_begin(text, budget) :].split())
        again = squeeze(found)
        if squeezed.find(again) == len(squeezed) - len(again) or len(found) > 2 * _LONGEST:
            break
    return found


def squeeze(text: str) -> str:
    """Text without white space."""
    return "".join(text.split())


def _begin(text: str, budget: int) -> int:
    """Where the anchor begins that this budget buys."""
    begin = end = len(text)
    while end > 0 and budget > 0:
        char = text[end - 1]
        if char.isspace():
            end -= 1
        elif is_unspaced(char):
            begin = end = graphemes.floor(text, end - 1)
            budget -= _CHARACTER
        else:
            begin = _word_begin(text, end)
            budget = 0 if end - begin >= _LONGEST else budget - _WORD
            end = begin
    line = text.find("\n", begin) + 1
    at_line = begin == 0 or text[begin - 1] == "\n"
    return line if line and not at_line and len(text[line:].split()) >= _FEW else begin


def _word_begin(text: str, end: int) -> int:
    """Where the word begins that ends here, or the part of a long one that will do."""
    begin = end
    while begin > 0 and end - begin < _LONGEST and not text[begin - 1].isspace():
        if is_unspaced(text[begin - 1]):
            break
        begin -= 1
    return graphemes.floor(text, begin)
