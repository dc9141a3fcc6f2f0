"""The bytes of a chat/completions reply, typed. Unknown fields are ignored and null is allowed.

One set of structs reads chunks and whole replies of chat and of the legacy completions endpoint:
they differ only in where the text stands.
"""

from __future__ import annotations

from typing import Any

import msgspec

from models.stream import TokenLogprob, Usage


class Function(msgspec.Struct, gc=False):
    """Name and arguments of a call; older Ollama sends the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCallDelta(msgspec.Struct, gc=False):
    """A piece of a tool call. Gemini's signatures travel in `extra_content`."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Any = None
    provider_specific_fields: Any = None


class ContentPart(msgspec.Struct, gc=False):
    """A part of content that is a list (Mistral): text, or thinking with parts of its own."""

    type: str = ""
    text: str | None = None
    thinking: list[ContentPart] | str | None = None


class Delta(msgspec.Struct, gc=False):
    """What is new, or the whole message. Thinking has three names among hosts."""

    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    thinking_blocks: list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class TopLogprob(msgspec.Struct, gc=False):
    """An alternative token."""

    token: str = ""
    logprob: float | None = None


class LogprobEntry(msgspec.Struct, gc=False):
    """One generated token and its alternatives."""

    token: str = ""
    logprob: float | None = None
    top_logprobs: list[TopLogprob] | None = None


class Logprobs(msgspec.Struct, gc=False):
    """Log-probabilities of a delta's tokens."""

    content: list[LogprobEntry] | None = None


class PromptDetails(msgspec.Struct, gc=False):
    """Shares of the prompt tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """Shares of the completion tokens."""

    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct, gc=False):
    """Token counts; DeepSeek's older hosts tell cache hits in a field of their own."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Choice(msgspec.Struct, gc=False):
    """One answer: `delta` in chunks, `message` in whole replies, `text` in completions."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    usage: UsageBody | None = None  # Moonshot


class XGroq(msgspec.Struct, gc=False):
    """Groq's own corner, with the usage on older hosts."""

    usage: UsageBody | None = None


class Chunk(msgspec.Struct, gc=False):
    """A data chunk or a whole reply; `error` may stand in either, also after HTTP 200."""

    id: str | int | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: UsageBody | None = None
    error: dict[str, Any] | str | None = None
    x_groq: XGroq | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


def usage_of(body: UsageBody) -> Usage:
    """The counts in neutral form: output includes reasoning, input includes cached tokens."""
    prompt = body.prompt_tokens or 0
    output = body.completion_tokens or 0
    reasoning = 0
    if body.completion_tokens_details is not None:
        reasoning = body.completion_tokens_details.reasoning_tokens or 0
    if reasoning and body.total_tokens == prompt + output + reasoning:
        output += reasoning  # xAI counts thinking beside the completion and bills both
    details = body.prompt_tokens_details or PromptDetails()
    cached = details.cached_tokens
    return Usage(
        input=prompt,
        output=output,
        cache_read=(body.prompt_cache_hit_tokens if cached is None else cached) or 0,
        cache_write=details.cache_write_tokens or 0,
        reasoning=reasoning,
    )


def logprobs_of(body: Logprobs | None) -> tuple[TokenLogprob, ...]:
    """The generated tokens' log-probabilities; entries without a number are left out."""
    if body is None or not body.content:
        return ()
    return tuple(
        TokenLogprob(
            entry.token,
            entry.logprob,
            tuple((top.token, top.logprob) for top in entry.top_logprobs if top.logprob is not None)
            if entry.top_logprobs
            else (),
        )
        for entry in body.content
        if entry.logprob is not None
    )
