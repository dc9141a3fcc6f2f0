"""The objects that streamed and whole replies share: usage, log-probabilities, errors."""

from __future__ import annotations

from collections.abc import Sequence

from models.chat import Json
from models.errors import HeadstartError, RequestError
from models.stream import FinishReason, TokenLogprob, Usage

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def finish_reason(reason: FinishReason, *, legacy: bool) -> str:
    """OpenAI's word. An answer that broke off is `length`: clients know that it is incomplete."""
    if reason == "error":
        return "length"
    return "function_call" if legacy and reason == "tool_calls" else reason


def usage_object(usage: Usage) -> dict[str, Json]:
    """The `usage` of a reply: all legs together."""
    prompt: dict[str, Json] = {"cached_tokens": usage.cache_read}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def logprob_items(logprobs: Sequence[TokenLogprob]) -> list[Json]:
    """The `logprobs.content` list."""
    return [
        {
            **_token(item.token, item.logprob),
            "top_logprobs": [_token(token, logprob) for token, logprob in item.top],
        }
        for item in logprobs
    ]


def error_object(error: HeadstartError) -> dict[str, Json]:
    """OpenAI's error, plus `origin`: `headstart`, or the provider that failed."""
    return {
        "message": error.message,
        "type": _TYPES.get(error.status, "api_error"),
        "param": error.param if isinstance(error, RequestError) else None,
        "code": error.code,
        "origin": error.origin,
    }


def _token(token: str, logprob: float) -> dict[str, Json]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
