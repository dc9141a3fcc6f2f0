"""The shapes of Anthropic's replies, as far as they are used. Unused fields are never built."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from typing_extensions import override

from models.chat import Json
from models.stream import Usage


class CacheCreation(Struct):
    """Cache writes by lifetime."""

    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(Struct):
    """What the output tokens were spent on."""

    thinking_tokens: int | None = None


class TokenCounts(Struct):
    """The counters of one pass, or of the whole reply. `input_tokens` is without cached ones."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None

    def as_usage(self) -> Usage:
        """The same in our words: `input` with the cached tokens."""
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        hour = self.cache_creation and self.cache_creation.ephemeral_1h_input_tokens
        thought = self.output_tokens_details and self.output_tokens_details.thinking_tokens
        return Usage(
            input=(self.input_tokens or 0) + read + written,
            output=self.output_tokens or 0,
            cache_read=read,
            cache_write=written,
            cache_write_1h=hour or 0,
            reasoning=thought or 0,
        )


class Iteration(TokenCounts):
    """One pass of a reply that took several."""

    type: str = ""


class Counts(TokenCounts):
    """A reply's `usage`."""

    iterations: list[Iteration] | None = None

    def update(self, newer: Counts) -> None:
        """Take over every counter that `newer` names: they are cumulative."""
        for name in self.__struct_fields__:
            if (value := getattr(newer, name)) is not None:
                setattr(self, name, value)

    @override
    def as_usage(self) -> Usage:
        """The total that is billed: compaction passes are not in the top-level counters."""
        passes = [step.as_usage() for step in self.iterations or () if step.type == "compaction"]
        return sum(passes, super().as_usage())


class Block(Struct):
    """A content block: its start in a stream, or the whole of it in a message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Json = None


class Delta(Struct):
    """More of a block, or (in `message_delta`) the reason for the end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None


class ErrorDetails(Struct):
    """The machine-readable part of an error."""

    error_code: str | None = None


class Error(Struct):
    """The `error` object of error events and error bodies."""

    type: str | None = None
    message: str | None = None
    details: ErrorDetails | None = None


class Message(Struct):
    """`message_start`'s message, and the reply without a stream."""

    type: str = ""
    id: str = ""
    model: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    usage: Counts | None = None
    error: Error | None = None


class Event(Struct):
    """Every stream event in one shape, so that one typed decode reads any of them."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: Counts | None = None
    error: Error | None = None


class Kind(Struct):
    """Any event, looked at for its type only."""

    type: str = ""


class ErrorBody(Struct):
    """The body of a non-200 reply."""

    error: Error | None = None


read_event = msgspec.json.Decoder(Event).decode
read_kind = msgspec.json.Decoder(Kind).decode
read_message = msgspec.json.Decoder(Message).decode
read_error = msgspec.json.Decoder(ErrorBody).decode
