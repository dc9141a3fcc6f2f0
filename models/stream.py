"""What happens while a model answers: a closed set of frozen events.

Every adapter turns its wire format into these, the relay moves them, every dialect renders them.
Consumers `match` on the class and end with `assert_never`, so a new event makes the type checker
list each place to visit. They are msgspec structs: building one costs a fifth of a frozen
dataclass, and one is built per token.

Order within one leg: `Started`, then deltas, then `UsageReported` (cumulative: the last one wins),
then exactly one of `Finished` or `Failed`. A tool call is `ToolCallStarted`, any number of
`ToolArgsDelta`, `ToolCallEnded`, all with the same index.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from models.chat import Opaque
from models.errors import HeadstartError

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error"]


class TokenLogprob(msgspec.Struct, frozen=True, gc=False):
    """Natural-log probability of one generated token, with the alternatives if asked for."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Tokens of one leg or request. `input` includes cached tokens, `output` includes reasoning.

    `cache_write_1h` is the share of `cache_write` written for an hour (Anthropic prices it apart).
    `estimated` marks figures counted by us because the provider did not report any.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Sum of two legs."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider accepted the request and named its reply."""

    id: str = ""
    model: str = ""


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the visible answer."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(msgspec.Struct, frozen=True):
    """A piece of thinking, or vendor data that belongs to it (text may be empty then)."""

    text: str = ""
    opaque: Opaque | None = None


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a refusal that the provider marks as such."""

    text: str


class Replaced(msgspec.Struct, frozen=True, gc=False):
    """Text from character `start` on (Unicode code points) was provisional: what follows replaces it.

    Only in merge mode `revise`, which a client asks for; no adapter makes one.
    """

    start: int


class ToolCallStarted(msgspec.Struct, frozen=True):
    """A tool call opens. `index` counts the calls of this leg from 0."""

    index: int
    id: str
    name: str
    opaque: tuple[Opaque, ...] = ()


class ToolArgsDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the JSON text of a call's arguments."""

    index: int
    text: str


class ToolCallEnded(msgspec.Struct, frozen=True, gc=False):
    """The call's arguments are whole: they parse as a JSON object. Never sent for a cut-off call."""

    index: int


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """What the provider counted so far."""

    usage: Usage


class Alive(msgspec.Struct, frozen=True, gc=False):
    """A ping or keep-alive comment: bytes came, but no content."""


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The leg is complete. `raw` is the provider's own word for the reason."""

    reason: FinishReason
    raw: str = ""


class Failed(msgspec.Struct, frozen=True):
    """The leg broke: before its first byte, in mid-stream, or by ending without a finish."""

    error: HeadstartError


StreamEvent: TypeAlias = (
    Started
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | Replaced
    | ToolCallStarted
    | ToolArgsDelta
    | ToolCallEnded
    | UsageReported
    | Alive
    | Finished
    | Failed
)
