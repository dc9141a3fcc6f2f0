"""The baton: how a new leg goes on from the text that the client already reads.

Two halves. `continuation` asks a model to go on: by native prefill where its card says so, else
by a short instruction in a user turn that asks it to begin with the last words once more. Those
words are the anchor by which `Splice` finds the seam: it trims what is said twice and mends
white space, without ever holding back text that cannot be a repetition.

Never an assistant prefill to a model that refuses it (Claude 4.6 and later answer 400), and no
foreign system message (it would change persona and language).
"""

from __future__ import annotations

import re
from dataclasses import replace

from models.chat import ChatRequest, Message, Text
from models.tokens import estimate_tokens
from router.languages import CONTINUE, language_of

_ANCHOR_WORDS = 5
_ANCHOR_CHARS = 60
_MIN_OVERLAP = 8  # normalised characters: a shorter overlap may be a real repetition
# What models say before they go on. Dropped only when a repetition of the transcript follows.
_POLITE = "sure|of course|certainly|absolutely|okay|ok|natürlich|gerne|bien sûr|claro|конечно|好的"
_ANNOUNCED = "here is|here's|continuing|continuation|hier ist|voici|aquí"
_PREFACE = re.compile(
    rf"\s*(?:(?:{_POLITE})\b[^\n:.!,]{{0,40}}[,:.!]+\s*)?(?:(?:{_ANNOUNCED})\b[^\n:]{{0,60}}:\s*)?",
    re.IGNORECASE,
)
_PREFACE_BEGUN = re.compile(
    rf"\s*(?:(?:{_POLITE})\b[^\n:.!,]{{0,40}}[,:.!]*\s*)?(?:(?:{_ANNOUNCED})\b[^\n:]{{0,60}}:?\s*)?",
    re.IGNORECASE,
)
_STARTERS = tuple(f"{_POLITE}|{_ANNOUNCED}".split("|"))
_DROPPED = frozenset("*_`#…\u2026")


def continuation(
    request: ChatRequest, transcript: str, *, prefills: bool, instruction: str | None = None
) -> ChatRequest:
    """The request that makes a model go on after `transcript`.

    `prefills`: the model has native prefill. `instruction` replaces the built-in sentence;
    `{tail}` in it stands for the last words of the transcript.
    """
    if not transcript:
        return request
    request = replace(request, max_tokens=_tokens_left(request.max_tokens, transcript))
    if prefills:
        return replace(request, prefill=transcript)
    sentence = instruction or CONTINUE[language_of(request.last_user_text or transcript)]
    turns = (
        Message(role="assistant", parts=(Text(text=transcript),)),
        Message(role="user", parts=(Text(text=sentence.replace("{tail}", anchor(transcript))),)),
    )
    return replace(request, messages=(*request.messages, *turns))


def anchor(transcript: str) -> str:
    """The last few words of the transcript: what a continuing model is asked to begin with."""
    tail = transcript.rstrip()[-_ANCHOR_CHARS:]
    words = tail.split()
    return " ".join(words[-_ANCHOR_WORDS:]) if len(words) > _ANCHOR_WORDS else tail.strip()


def _tokens_left(limit: int | None, transcript: str) -> int | None:
    """What of the client's limit the transcript has not used up; at least 1."""
    return None if limit is None else max(1, limit - estimate_tokens(transcript))


class Splice:
    """Joins one continuing leg to the transcript.

    `exact`: the leg continues by native prefill, so nothing it says is a repetition; only a
    missing space after a sentence end is mended. Otherwise text is held while it could still be
    the transcript said again, and the repeated part is dropped.
    """

    def __init__(self, transcript: str, *, exact: bool, after_sentence: bool) -> None:
        """Prepare the seam; `after_sentence` says that the transcript was cut at a sentence end."""
        self._transcript = transcript
        self._exact = exact
        self._after_sentence = after_sentence
        self._held = ""
        self._normal = _normalise(transcript)[0].strip()

    def feed(self, text: str) -> str | None:
        """The joined text once the seam is certain, None while it must be held."""
        self._held += text
        if self._exact:
            return self._joined(0) if self._held else None
        for skip in self._openings():
            said, ends = _normalise(self._held[skip:])
            if self._may_repeat(said):
                return None
            overlap = self._overlap(said, skip)
            if overlap:
                return self._joined(skip + ends[overlap - 1])
        if self._may_be_preface():
            return None
        return self._joined(0)

    def finish(self) -> str:
        """What is left to show when the leg ends while its text is still held."""
        for skip in self._openings():
            said, ends = _normalise(self._held[skip:])
            overlap = self._overlap(said, skip)
            if overlap:
                return self._joined(skip + ends[overlap - 1])
        return self._joined(0) if self._held.strip() else ""

    def _openings(self) -> list[int]:
        """Where the continuation may begin: at once, or after a preface such as "Sure,"."""
        preface = _PREFACE.match(self._held)
        end = preface.end() if preface else 0
        return [0, end] if self._held[:end].strip() and end < len(self._held) else [0]

    def _may_be_preface(self) -> bool:
        """True while all that was said is, or could become, a preface."""
        opening = self._held.strip().lower()
        if any(starter.startswith(opening) for starter in _STARTERS):
            return True
        begun = _PREFACE_BEGUN.match(self._held)
        return begun is not None and begun.end() == len(self._held)

    def _may_repeat(self, said: str) -> bool:
        """True while everything said so far stands in the transcript, short of its end."""
        said = said.rstrip()
        if not said:
            return True
        position = self._normal.find(said)
        while position >= 0:
            starts_word = position == 0 or not self._normal[position - 1].isalnum()
            if starts_word and self._worth_trimming(len(self._normal) - position, position):
                return True
            position = self._normal.find(said, position + 1)
        return False

    def _overlap(self, said: str, skip: int) -> int:
        """Length of the longest end of the transcript that `said` begins with."""
        for length in range(min(len(said), len(self._normal)), 0, -1):
            position = len(self._normal) - length
            if not said.startswith(self._normal[position:]):
                continue
            starts_word = position == 0 or not self._normal[position - 1].isalnum()
            if starts_word and self._worth_trimming(length, position):
                return length if length >= _MIN_OVERLAP or self._to_the_letter(skip) else 0
        return 0

    def _worth_trimming(self, length: int, position: int) -> bool:
        """A long overlap, or the whole transcript from its start."""
        return length >= _MIN_OVERLAP or position == 0

    def _to_the_letter(self, skip: int) -> bool:
        """Whether a short transcript is said again exactly, case and marks included."""
        return self._held[skip:].lstrip().startswith(self._transcript.strip())

    def _joined(self, drop: int) -> str:
        """Held text without its first `drop` characters, with the white space of the seam mended."""
        rest = self._held[drop:]
        before = self._transcript[-1:]
        if not rest or not before:
            return rest
        if before.isspace() and rest[0].isspace() and not self._exact:
            return rest.lstrip(" ") if before == " " else rest.lstrip()
        if drop:
            return rest
        mends = self._after_sentence if self._exact else True
        return " " + rest if mends and _needs_space(before, rest[0]) else rest


def _needs_space(before: str, after: str) -> bool:
    """True when two characters of a spaced script would run together."""
    if before.isspace() or not (after.isalnum() or after in "\"'“«¿¡([*_`"):
        return False
    if _unspaced(before) or _unspaced(after):
        return False
    return before.isalnum() or before in ".!?…:;,)]}\"'”’»*_`%۔؟।"


def _unspaced(char: str) -> bool:
    """Chinese, Japanese, Thai, Lao, Khmer, Burmese: no spaces between words or sentences."""
    return (
        "\u3000" <= char <= "\u9fff"
        or "\uff00" <= char <= "\uffef"
        or "\u0e00" <= char <= "\u0eff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
    )


def _normalise(text: str) -> tuple[str, list[int]]:
    """Text without case, markdown and runs of white space, and where each character came from.

    Returns the normalised text and, for each of its characters, the index behind the original.
    """
    out: list[str] = []
    ends: list[int] = []
    for index, char in enumerate(text):
        if char in _DROPPED:
            if ends:
                ends[-1] = index + 1
            continue
        if char.isspace():
            if not out or out[-1] == " ":
                continue
            char = " "
        for folded in char.casefold():
            out.append(folded)
            ends.append(index + 1)
    return "".join(out), ends
