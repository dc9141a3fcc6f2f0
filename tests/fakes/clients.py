"""Real clients as they were measured (November 2026): what each cannot bear, and what it does then.

A client reads a chat reply as it comes and stops at the first trouble it cannot bear. Its table
says how many requests it makes in all for that trouble; a trouble that is not in it does not
disturb this client. Nobody waits here: asking again at once is the worst that a client can do.

Codex speaks `/v1/responses` and Gemini CLI a dialect of its own. Here their rules are held against
chat completions, where the same router answers: exactly one finish, an id on each chunk, no text
twice, no failure while any leg can go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, TypeAlias

import httpx

from models.chat import Json
from tests.fakes.client_wire import Piece, Reply, Trouble, fetch, pieces

Asks: TypeAlias = Mapping[Trouble, int]
FOR_EVER = 40  # requests: who asks that often does not stop by itself
_OFTEN = 8  # "6 to 8 times"


@dataclass(slots=True)
class Told:
    """What the person before the screen got out of one question."""

    shown: str = ""
    thinking: str = ""
    gave_up: Trouble | None = None
    replies: list[Reply] = field(default_factory=list[Reply])

    @property
    def requests(self) -> int:
        """How often the client asked."""
        return len(self.replies)


class Client:
    """What all have in common, and the official SDKs: they ask again when the server cannot."""

    asks: ClassVar[Asks] = {}
    shows_again: ClassVar[bool] = False  # what a broken attempt showed stays on the screen
    then_whole: ClassVar[bool] = False  # asks again without streaming
    patience: ClassVar[float] = inf  # seconds without a byte

    def __init__(self, *, hurry: float = 1.0, most: int = FOR_EVER) -> None:
        """`hurry` divides the patience, `most` ends the retries: a test need not wait for them."""
        common: dict[Trouble, int] = {"429": 3, "5xx": 3, "401": 1, "4xx": 1, "dropped": 3}
        self._asks = {**common, **self.asks}
        self._patience = self.patience / hurry
        self._most = most

    async def ask(self, http: httpx.AsyncClient, url: str, body: Json, *, stream: bool) -> Told:
        """Ask until there is an answer, or until this client gives up."""
        told = Told()
        while True:
            streamed = stream and not (self.then_whole and told.replies)
            reply = await fetch(http, url, {**body, "stream": streamed}, self._patience)
            told.replies.append(reply)
            trouble = self._look(reply, told)
            if trouble is None or told.requests >= min(self._most, self._asks[trouble]):
                told.gave_up = trouble
                return told

    def _look(self, reply: Reply, told: Told) -> Trouble | None:
        """Show the reply up to the first trouble that this client cannot bear."""
        if not self.shows_again:
            told.shown = told.thinking = ""
        for piece in pieces(reply):
            if not isinstance(piece, Piece):
                if piece in self._asks:
                    return piece
            elif piece.kind == "text":
                told.shown += piece.text
            else:
                told.thinking += piece.text
        return None


class NodeSdk(Client):
    """openai for Node and the AI SDK: hang up after 300 seconds without a byte."""

    asks: ClassVar[Asks] = {"silence": 1, "error object": 1}
    patience = 300.0


class OpenCode(Client):
    """Loops on a reply without a finish and on JSON in place of a stream: 300 requests in 40 s."""

    asks: ClassVar[Asks] = {
        "no finish": FOR_EVER,
        "not a stream": FOR_EVER,
        "foreign event": 1,
        "error object": _OFTEN,
        "dropped": _OFTEN,
        "401": _OFTEN,
        "429": _OFTEN,
        "5xx": _OFTEN,
    }


class QwenCode(Client):
    """Fails on a reply without a finish, on JSON in place of a stream, and on a stream that breaks."""

    asks: ClassVar[Asks] = {"no finish": 1, "not a stream": 1, "error object": 1, "dropped": 1}


class Cline(Client):
    """As qwen-code; fails on a foreign event too. Shows `reasoning_content` as thinking."""

    asks: ClassVar[Asks] = {
        "foreign event": 1,
        "no finish": 1,
        "not a stream": 1,
        "error object": 1,
        "dropped": 1,
        "silence": 1,
    }
    patience = 300.0


class Pi(Client):
    """Fails at once on a stream that breaks."""

    asks: ClassVar[Asks] = {"error object": 1, "dropped": 1}


class GeminiCli(Client):
    """Asks again and shows the beginning again each time: "Hello fromHello from…"."""

    asks: ClassVar[Asks] = {
        "foreign event": 5,
        "no finish": 4,
        "not a stream": 4,
        "error object": 4,
        "dropped": 4,
    }
    shows_again = True


class Codex(Client):
    """Fails on a single 429, without an id and without a finish; 500 for ever is 30 requests."""

    asks: ClassVar[Asks] = {
        "429": 1,
        "no id": 1,
        "no finish": 1,
        "not a stream": 1,
        "error object": _OFTEN,
        "dropped": _OFTEN,
        "5xx": 30,
    }


class ClaudeCode(Client):
    """Asks once more without streaming when a stream breaks; asks again even on 401."""

    asks: ClassVar[Asks] = {
        "error object": 2,
        "dropped": 2,
        "silence": 2,
        "401": _OFTEN,
        "429": 10,
        "5xx": 10,
    }
    then_whole = True
    patience = 300.0


class Aider(Client):
    """Asks again whatever broke: 24 requests in 45 s while it is 429 or 500."""

    asks: ClassVar[Asks] = {"error object": _OFTEN, "dropped": _OFTEN, "429": 24, "5xx": 24}


class Continue(Aider):
    """As aider; asks again even on 401."""

    asks: ClassVar[Asks] = {**Aider.asks, "401": _OFTEN}


ALL: tuple[type[Client], ...] = (
    Client,
    NodeSdk,
    OpenCode,
    QwenCode,
    Cline,
    Pi,
    GeminiCli,
    Codex,
    ClaudeCode,
    Aider,
    Continue,
)
