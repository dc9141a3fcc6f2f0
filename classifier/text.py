"""What is being asked: the newest user text, without what coding clients wrap around it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.chat import ChatRequest, Media, Message, Text

# Blocks that clients add to a user turn and that the user did not write.
WRAPPERS = (
    "system-reminder",
    "environment_context",
    "environment_details",
    "user_instructions",
    "session_context",
    "command-name",
    "command-message",
    "command-args",
    "local-command-stdout",
    "local-command-caveat",
    "open_and_recently_viewed_files",
    "additional_data",
    "ide_opened_file",
    "ide_selection",
)
_OPEN = re.compile(r"<(" + "|".join(WRAPPERS) + r")(?:\s[^<>]{0,200})?>")
# Some clients mark the user's own words instead; then only those count.
OWN_WORDS = ("user_query", "user_message", "task")
_GENERIC_SYSTEM = re.compile(r"you are (a|an) (helpful|friendly)?\s*(ai )?assistant", re.IGNORECASE)

CLIP_CHARS = 4000  # head and tail that are looked at; more would not change the answer
SHORT_ASK = 80  # an ask this short leans on the turn before it ("now in French")
CONTEXT_CHARS = 200
SYSTEM_CHARS = 400  # longer system prompts are a client's frame, not the task
WHOLE_CHARS = 200  # a text this short is its own instruction
_SENTENCE_CHARS = 170
_EDGE_CHARS = 600  # instructions stand in the first or the last two sentences
_ENOUGH_MARKS = 0.9  # per sentence; long sentences need more
_CUT = re.compile(r"(?<=[.!?。？！])\s+|\n+|(?<=:)\s+")
_MARKS = re.compile(
    r"[?？؟]|:\s*\Z|\b(?:following|above|below|question|answer|summar\w{1,8}|tl;?dr|titles?|headline|labels?|categor\w{1,8}"
    r"|classif\w{1,9}|sentiment|options|choose|pick|decide|passage|paragraph|article|sentences?|text|document|context"
    r"|dialog(?:ue)?|conversation|review|translat\w{1,4}|write|rewrite|rephrase|paraphrase|generate|give|find|list|extract"
    r"|identify|explain|describe|tell|make|create|name|read|solve|calculate|compute|prove|please|can you|could you"
    r"|i (?:want|need)|help|in (?:short|brief|a nutshell|other words|one sentence)|übersetz\w{1,4}|fasse|schreib\w{0,2}"
    r"|résum\w{1,3}|tradui\w{1,5}|écri\w{1,4}|traduc\w{1,4}|resum\w{1,4}|escrib\w{1,3}|scriv\w{1,3}|riassum\w{1,3}|перевед\w{1,3}"
    r"|напиши\w{0,2})\b|[翻译訳总结概括写]{2}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The user's newest words (`text`, clipped), what they lean on, and how long they really are."""

    text: str
    context: str = ""
    chars: int = 0
    has_media: bool = False

    @property
    def full(self) -> str:
        """Context, then the ask."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def strip_wrappers(text: str) -> str:
    """The text without client-made blocks; an unclosed block stays, it may be a quotation."""
    if "<" not in text:
        return text
    kept: list[str] = []
    unclosed: set[str] = set()  # looked for once: a megabyte of opening tags must not take minutes
    kept_to = position = 0
    while match := _OPEN.search(text, position):
        closing = f"</{match.group(1)}>"
        end = -1 if closing in unclosed else text.find(closing, match.end())
        position = match.end() if end < 0 else end + len(closing)
        if end < 0:
            unclosed.add(closing)
        else:
            kept.append(text[kept_to : match.start()])
            kept_to = position
    kept.append(text[kept_to:])
    return _marked_words("".join(kept))


def _marked_words(text: str) -> str:
    """What stands in the first of the blocks that hold the user's own words, else everything."""
    for tag in OWN_WORDS:
        _, opened, rest = text.partition(f"<{tag}>")
        words, closed, _ = rest.partition(f"</{tag}>")
        if opened and closed and words.strip():
            return words
    return text


def clip(text: str, limit: int = CLIP_CHARS) -> str:
    """Head and tail of a long text: instructions stand at either end."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n{text[-half:]}"


def instruction(text: str) -> str:
    """The sentences that say what to do: of a long text those at its ends that look like it."""
    bare = text.strip()
    if len(bare) <= WHOLE_CHARS:
        return text
    head = [part[:_SENTENCE_CHARS] for part in _sentences(bare[:_EDGE_CHARS])[:2]]
    tail = [part[-_SENTENCE_CHARS:] for part in _sentences(bare[-_EDGE_CHARS:])[-2:]]
    found = [part for part in (*head, *tail) if _asks(part)]
    return "\n".join(dict.fromkeys(found or (*head[:1], *tail[-1:])))


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _CUT.split(text) if part and not part.isspace()]


def _asks(sentence: str) -> bool:
    marks = len(_MARKS.findall(sentence)) + sentence.endswith(("?", "？", "؟"))
    return marks / (1 + len(sentence) / WHOLE_CHARS) > _ENOUGH_MARKS


def _own_words(message: Message) -> str:
    parts = [strip_wrappers(p.text).strip() for p in message.parts if isinstance(p, Text)]
    return "\n".join(part for part in parts if part)


def _system_hint(messages: tuple[Message, ...]) -> str:
    """A short system prompt often *is* the task ("translate everything"); long ones are frames."""
    text = "\n".join(m.text for m in messages if m.role == "system").strip()
    if len(text) > SYSTEM_CHARS or _GENERIC_SYSTEM.match(text):
        return ""
    return text


def _turn_before(messages: list[Message]) -> str:
    for message in reversed(messages):
        if message.role == "user" and (words := _own_words(message)):
            return words[-CONTEXT_CHARS:]
    return ""


def read_ask(request: ChatRequest) -> Ask:
    """The ask of a request; empty text when no user turn has any."""
    system = _system_hint(request.messages)
    turns = list(request.messages)
    while turns:
        newest = turns.pop()
        if newest.role != "user":
            continue
        words = _own_words(newest)
        has_media = any(isinstance(part, Media) for part in newest.parts)
        if not words and not has_media:
            continue
        before = _turn_before(turns) if len(words) < SHORT_ASK else ""
        context = "\n".join(part for part in (system, before) if part)
        return Ask(text=clip(words), context=context, chars=len(words), has_media=has_media)
    return Ask(text="", context=system)
