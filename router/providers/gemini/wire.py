"""The shapes of Gemini's replies, as far as they are used. Unused fields are never built."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from models.chat import Json
from models.stream import Usage


class PartialArg(Struct, rename="camel"):
    """A piece of a call's arguments: a value, or more of a string, at a JSON path."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None


class FunctionCall(Struct, rename="camel"):
    """A call: whole in one part, or (Vertex, when asked) in several that `will_continue`."""

    id: str | None = None
    name: str | None = None
    args: dict[str, Json] | None = None
    partial_args: list[PartialArg] | None = None
    will_continue: bool = False


class Part(Struct, rename="camel"):
    """A piece of the answer. Code that ran at Google and its output have none of these fields."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(Struct):
    """The parts of one candidate; absent or empty when the output was blocked."""

    parts: list[Part] | None = None


class TokenChoice(Struct, rename="camel"):
    """A token that was chosen, or could have been."""

    token: str = ""
    log_probability: float = 0.0


class TopCandidates(Struct):
    """What could have stood at one position."""

    candidates: list[TokenChoice] | None = None


class LogprobsResult(Struct, rename="camel"):
    """Log-probabilities of the chunk's text, position by position."""

    chosen_candidates: list[TokenChoice] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(Struct, rename="camel"):
    """One answer; we only ever ask for one."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: LogprobsResult | None = None


class UsageMetadata(Struct, rename="camel"):
    """Cumulative counters. The prompt's contains the cached tokens, but not the tools' prompts."""

    prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0

    def as_usage(self) -> Usage:
        """The same in our words."""
        return Usage(
            input=self.prompt_token_count + self.tool_use_prompt_token_count,
            output=self.candidates_token_count + self.thoughts_token_count,
            cache_read=self.cached_content_token_count,
            reasoning=self.thoughts_token_count,
        )


class PromptFeedback(Struct, rename="camel"):
    """Why the prompt was not answered at all."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Violation(Struct, rename="camel"):
    """A quota that is used up."""

    quota_id: str = ""


class Detail(Struct, rename="camel"):
    """RetryInfo, QuotaFailure, ErrorInfo and others in one: their fields do not meet."""

    reason: str = ""
    retry_delay: str = ""
    violations: list[Violation] | None = None


class Error(Struct):
    """The `error` object of error bodies and of chunks in mid-stream."""

    code: int | None = None
    status: str | None = None
    message: str | None = None
    details: list[Detail] | None = None


class Reply(Struct, rename="camel"):
    """A whole reply, or one chunk of a stream."""

    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""
    prompt_feedback: PromptFeedback | None = None
    error: Error | None = None


class ErrorBody(Struct):
    """The body of a non-200 reply."""

    error: Error | None = None


read_reply = msgspec.json.Decoder(Reply).decode
read_error = msgspec.json.Decoder(ErrorBody).decode
