"""What clients say without saying it: they ask the same again, or rewrite what they asked.

Keyed hashes of recent conversations are compared, in memory, with a key of this process: no text is
kept. It rather misses a signal than invents one, since programs repeat themselves too:
- only an answer that was finished counts; to ask again after an error says nothing of the answer;
- the repetition comes later than a program's would and while somebody still remembers, and only the
  first ones of a conversation count;
- a rewritten question counts only inside a conversation that we answered from its first turn, since
  otherwise the same beginning is just somebody's template.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from models.chat import ChatRequest, Media, Message, Reasoning, Text, ToolCall, ToolResult
from router.deadline import Clock
from router.learning.records import Kind

_CAPACITY: Final = 4096  # recent conversations
_LONGEST: Final = 1_000_000  # characters; what is longer is not looked at
_MEDIA_EDGE: Final = 4096  # characters of a picture that tell it from others
_SOONEST: Final = 1.0  # seconds after the answer: nobody reads faster
_AGAIN_WITHIN: Final = 600.0
_EDIT_WITHIN: Final = 180.0
_MOST_REPEATS: Final = 2  # of one conversation; a program that repeats itself says no more


@dataclass(frozen=True, slots=True)
class Signal:
    """The earlier request whose answer was not enough."""

    outcome_id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """Of the conversation, of what comes before its last turn, and of the earlier request in it."""

    whole: bytes
    before: bytes
    earlier: bytes


@dataclass(slots=True)
class _Asked:
    """A recent request."""

    outcome_id: str
    before: bytes
    repeats: int = 0
    answered: float | None = None  # when it had its whole answer


class Signals:
    """Compares each request with the recent ones of the same client."""

    def __init__(self, clock: Clock, *, key: bytes | None = None) -> None:
        """`key`: of the hashes; a new one unless given."""
        self._clock = clock
        self._key = key or secrets.token_bytes(32)
        self._recent: OrderedDict[bytes, _Asked] = OrderedDict()  # by whole conversation
        self._last: dict[bytes, bytes] = {}  # what comes before a last turn -> newest such whole
        self._running: dict[str, bytes] = {}  # outcome id -> whole

    def asked(self, request: ChatRequest, client: str, outcome_id: str) -> Signal | None:
        """A request begins; what it says of an earlier one."""
        found = self._fingerprint(request, client)
        if found is None:
            return None
        now = self._clock()
        same = self._recent.get(found.whole)
        signal = self._again(same, now) if same else self._edited(found, now)
        repeats = same.repeats + 1 if same else 0
        self._keep(found, _Asked(outcome_id, found.before, repeats))
        self._running[outcome_id] = found.whole
        return signal

    def answered(self, outcome_id: str, *, whole: bool) -> None:
        """It is over; `whole`: the client got a complete answer."""
        fingerprint = self._running.pop(outcome_id, b"")
        asked = self._recent.get(fingerprint)
        if whole and asked is not None and asked.outcome_id == outcome_id:
            asked.answered = self._clock()

    def _again(self, earlier: _Asked, now: float) -> Signal | None:
        if earlier.repeats >= _MOST_REPEATS or not _between(earlier, now, _AGAIN_WITHIN):
            return None
        return Signal(earlier.outcome_id, "regenerated")

    def _edited(self, found: _Fingerprint, now: float) -> Signal | None:
        earlier = self._recent.get(self._last.get(found.before, b""))
        if earlier is None or found.earlier not in self._recent:
            return None
        return (
            Signal(earlier.outcome_id, "edited") if _between(earlier, now, _EDIT_WITHIN) else None
        )

    def _keep(self, found: _Fingerprint, asked: _Asked) -> None:
        self._recent[found.whole] = asked
        self._recent.move_to_end(found.whole)
        self._last[found.before] = found.whole
        if len(self._recent) > _CAPACITY:
            oldest, gone = self._recent.popitem(last=False)
            if self._last.get(gone.before) == oldest:
                del self._last[gone.before]

    def _fingerprint(self, request: ChatRequest, client: str) -> _Fingerprint | None:
        """None for what no person just wrote: a tool's result, a program's question for JSON."""
        messages = request.messages
        written = bool(messages) and messages[-1].role == "user" and not request.response_format
        if not written or _size(messages) > _LONGEST:
            return None
        running = blake2b(_bytes(f"{client}\0{request.user}"), key=self._key, digest_size=16)
        digests = [running.digest()]
        for message in messages:
            for piece in _pieces(message):
                running.update(len(piece).to_bytes(8, "big") + piece)
            digests.append(running.digest())
        # Two turns back ends the request whose answer stands between.
        return _Fingerprint(digests[-1], digests[-2], digests[-3] if len(digests) > 3 else b"")


def _between(earlier: _Asked, now: float, within: float) -> bool:
    return earlier.answered is not None and _SOONEST <= now - earlier.answered <= within


def _size(messages: tuple[Message, ...]) -> int:
    return sum(len(message.text) for message in messages)


def _pieces(message: Message) -> Iterator[bytes]:
    """What a turn says. Cache marks wander from turn to turn, and thoughts may be left out."""
    yield message.role.encode()
    for part in message.parts:
        match part:
            case Text(text=text):
                yield _bytes(text)
            case Media(data=data):
                edges = data[:_MEDIA_EDGE] + data[-_MEDIA_EDGE:]
                yield _bytes(f"{part.kind} {part.url} {part.file_id} {len(data)} {edges}")
            case ToolCall():
                yield _bytes(f"{part.name} {part.arguments}")
            case ToolResult(content=content):
                yield _bytes("".join(piece.text for piece in content if isinstance(piece, Text)))
            case Reasoning():
                pass


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
