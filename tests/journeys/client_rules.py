"""What upstreams do, row by row as the clients' measurements list it, and the answer they know."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.fakes.delivery import Delivery
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.script import Turn

# Tags that no model of ours writes at its beginning are part of the answer.
ANSWER = (
    "The Rhine rises in the Alps. It flows through six countries before it reaches the sea, and "
    "1,233 km lie between source and mouth. In HTML a <think> tag means nothing; </think> neither. "
    "In dry summers the water at Kaub falls below 40 cm, and then half-empty ships cost dearly."
)
MIDDLE = 120  # characters: inside the second sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One behaviour. `borne`: the answer is whole in spite of it. `placed`: it has a place."""

    fault: Fault | None = None
    borne: bool = False
    placed: bool = False
    tokens_per_chunk: int = 3
    reasoning: str = ""
    delivery: Delivery = Delivery()  # noqa: RUF009 - frozen

    def turn(self, at: int) -> Turn:
        """What such a host does, from the character `at` on."""
        fault = replace(self.fault, at=at) if self.fault and self.placed else self.fault
        return Turn(
            answer=ANSWER,
            fault=fault,
            tokens_per_chunk=self.tokens_per_chunk,
            reasoning=self.reasoning,
            delivery=self.delivery,
        )


def _odd(kind: FaultKind, *, placed: bool = False) -> Upstream:
    return Upstream(fault=Fault(kind=kind), borne=True, placed=placed)


def _breaks(kind: FaultKind, *, torn: bool = False) -> Upstream:
    return Upstream(fault=Fault(kind=kind, torn=torn), placed=True)


def _instead(kind: FaultKind) -> Upstream:
    return Upstream(fault=Fault(kind=kind))


def _status(status: int, retry_after: float | None = None) -> Upstream:
    return Upstream(fault=Fault(kind="status", status=status, retry_after=retry_after))


UPSTREAMS: dict[str, Upstream] = {
    "healthy": Upstream(borne=True),
    "foreign event": _odd("foreign_event", placed=True),
    "comments": _odd("comments", placed=True),
    "unknown keys": _odd("unknown_keys", placed=True),
    "second choice": _odd("second_choice", placed=True),
    "think tags": _odd("think_tags"),
    "reasoning": Upstream(borne=True, reasoning="The user asks about the Rhine."),
    "sentences in a chunk": Upstream(borne=True, tokens_per_chunk=40),
    "answer in one chunk": Upstream(borne=True, tokens_per_chunk=10_000),
    "reply in one write": Upstream(borne=True, delivery=Delivery(cut="whole")),
    "CRLF": _odd("crlf"),
    "no space": _odd("no_space"),
    "no usage": _odd("no_usage"),
    "usage null": _odd("usage_null"),
    "no role": _odd("no_role"),
    "no id": _odd("no_id"),
    "no [DONE]": _odd("no_done"),
    "no finish": _instead("no_finish"),
    "no end": _instead("no_end"),
    "JSON body": _odd("json"),
    "error object": _breaks("error"),
    "reset": _breaks("reset"),
    "closed": _breaks("close"),
    "cut": _breaks("cut"),
    "cut in an event": _breaks("cut", torn=True),
    "garbage": _breaks("garbage"),
    "web page": _instead("html"),
    "empty": _instead("empty"),
    "redirect": _instead("redirect"),
    "429": _status(429),
    "429 with retry-after": _status(429, 7.0),
    "500": _status(500),
    "503": _status(503),
    "529": _status(529),
    "401": _status(401),
    "stall": _breaks("stall"),
}

# The rows of what was measured, and the upstreams that do such a thing.
ROWS: dict[str, tuple[str, ...]] = {
    "a foreign named SSE `event:` in a chat stream": ("foreign event",),
    "SSE comment lines (keep-alives)": ("comments",),
    "unknown extra keys in a chunk": ("unknown keys", "healthy"),
    "a second choice index": ("second choice",),
    "`<think>` tags in content": ("think tags",),
    "`reasoning_content` / `reasoning`": ("reasoning",),
    "several sentences in one chunk, whole answer in one chunk, CRLF, `data:` without a space, "
    "usage null or on the last chunk, no usage, no role, no id (not Codex), no [DONE]": (
        "sentences in a chunk",
        "answer in one chunk",
        "reply in one write",
        "CRLF",
        "no space",
        "no usage",
        "usage null",
        "no role",
        "no id",
        "no [DONE]",
    ),
    "no finish_reason, or a clean end of the stream without one": ("no finish", "no end", "cut"),
    "a JSON body where a stream was asked": ("JSON body", "web page", "empty", "redirect"),
    "error object in mid-stream, dropped connection": (
        "error object",
        "reset",
        "closed",
        "cut in an event",
        "garbage",
    ),
    "429 or 529 once": ("429", "429 with retry-after", "529"),
    "429/500 for ever": ("429", "429 with retry-after", "500", "503"),
    "401": ("401",),
    "nothing for 300 s": ("stall",),
    'response without `id` in responses, output item never "done"': ("no id", "no end"),
}
