"""The bytes of a Responses reply, typed. Unknown events and fields are ignored, null is allowed."""

from __future__ import annotations

from typing import Any

import msgspec

from models.stream import Usage
from router.providers.openai.wire import LogprobEntry


class Part(msgspec.Struct, gc=False):
    """A part of an item's content or summary."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: list[LogprobEntry] | None = None


class Item(msgspec.Struct, gc=False):
    """An output item: a message, thinking, or a call."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None


class InputDetails(msgspec.Struct, gc=False):
    """Shares of the input tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """Shares of the output tokens."""

    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct, gc=False):
    """Token counts of the whole response."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Incomplete(msgspec.Struct, gc=False):
    """Why a response is not complete."""

    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """The response object, as it stands in events and as a whole reply."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    error: dict[str, Any] | str | None = None
    incomplete_details: Incomplete | None = None
    usage: UsageBody | None = None


class Event(msgspec.Struct, gc=False):
    """Any stream event; which fields it has depends on `type`."""

    type: str = ""
    response: Response | None = None
    item: msgspec.Raw = msgspec.Raw()
    item_id: str | None = None
    output_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    text: Any = None  # an object in events that are none of ours
    arguments: str | None = None
    logprobs: list[LogprobEntry] | None = None
    error: dict[str, Any] | str | None = None


decode_event = msgspec.json.Decoder(Event).decode
decode_item = msgspec.json.Decoder(Item).decode
decode_response = msgspec.json.Decoder(Response).decode


def usage_of(body: UsageBody) -> Usage:
    """The counts in neutral form."""
    given = body.input_tokens_details or InputDetails()
    made = body.output_tokens_details or OutputDetails()
    return Usage(
        input=body.input_tokens or 0,
        output=body.output_tokens or 0,
        cache_read=given.cached_tokens or 0,
        cache_write=given.cache_write_tokens or 0,
        reasoning=made.reasoning_tokens or 0,
    )
