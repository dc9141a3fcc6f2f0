"""What went wrong upstream: HTTP status, structured code and headers into one class of error.

The order is: codes that mean one thing wherever they stand, then the HTTP status, then the general
codes (for errors inside a 200 stream, which have no status), and last what only the text says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from models.errors import (
    ContentBlocked,
    Overloaded,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderPromptTooLong,
    ProviderServerError,
    QuotaExhausted,
    RateLimited,
)
from router.providers.waits import Now, failure_delay, lowered, utc_now

_ErrorClass: TypeAlias = type[ProviderError]

_MAX_MESSAGE = 1000  # some hosts send the whole prompt or an HTML page back


def classify(
    status: int,
    *,
    code: str = "",
    kind: str = "",
    message: str = "",
    headers: Mapping[str, str] | None = None,
    delay: float | None = None,
    now: Now = utc_now,
) -> ProviderError:
    """The error that an upstream's reply means.

    `status` is the HTTP status; 200 or 0 for an error inside a stream, where a numeric `code` then
    counts as the status. `code` and `kind` are the body's own words, most telling first.
    `delay` is a waiting time that the body states in its own field (Gemini's RetryInfo).
    """
    if status < 400:
        status = int(code) if _HTTP_CODE.fullmatch(code) else 0
    error_class = _refined(_class_of(status, code.lower(), kind.lower()), message)
    fields = lowered(headers or {})
    return error_class(
        message[:_MAX_MESSAGE] or _without_words(status),
        upstream_status=status,
        upstream_code=code or kind,
        retryable=_SHOULD_RETRY.get(fields.get("x-should-retry", "")),
        retry_after=failure_delay(status, message, fields, delay, now),
    )


def _without_words(status: int) -> str:
    where = f"HTTP status {status}" if status else "an error event"
    return f"The provider answered with {where} and no message."


_HTTP_CODE = re.compile(r"[45]\d\d")
_SHOULD_RETRY = {"true": True, "false": False}

# Codes that decide whatever the status is: hosts send them with 400, 403, 429 and 503 alike.
_DECISIVE: dict[str, _ErrorClass] = {
    "context_length_exceeded": ProviderPromptTooLong,
    "too_many_prompt_tokens": ProviderPromptTooLong,  # Perplexity
    "insufficient_quota": QuotaExhausted,
    "enforced_spend_limit_reached": QuotaExhausted,  # Anthropic, sent with 429
    "billing_error": QuotaExhausted,
    "budget_exceeded": QuotaExhausted,  # LiteLLM, sent with 400
    "credit_balance_exhausted": QuotaExhausted,
    "content_filter": ContentBlocked,
    "content_policy_violation": ContentBlocked,
    "responsibleaipolicyviolation": ContentBlocked,  # Azure
    "invalid_api_key": ProviderAuthError,
    "api_key_invalid": ProviderAuthError,  # Gemini, sent with 400
    "failed_precondition": ProviderAuthError,  # Gemini, with 400: region or billing of our account
    "model_not_found": ProviderBadRequest,  # one-api hosts send it with 503
    "tool_use_failed": ProviderBadRequest,  # Groq: the model's fault, reported as the request's
    "overloaded_error": Overloaded,
    "capacity_exceeded": Overloaded,  # Groq flex, sent with 498
    "service_tier_capacity_exceeded": Overloaded,  # Mistral
    "3505": Overloaded,  # Mistral's number for the same
}

_BY_STATUS: dict[int, _ErrorClass] = {
    401: ProviderAuthError,
    402: QuotaExhausted,
    403: ProviderAuthError,
    408: ProviderServerError,  # a gateway's own time limit, not ours
    409: ProviderServerError,  # Anthropic's conflict_error: its SDK asks again
    429: RateLimited,
    498: Overloaded,  # Groq
    503: Overloaded,
    529: Overloaded,  # Anthropic
}

# General words of the trade: only asked when there is no HTTP error status.
_GENERAL: dict[str, _ErrorClass] = {
    "authentication_error": ProviderAuthError,
    "permission_error": ProviderAuthError,
    "permission_denied": ProviderAuthError,
    "unauthenticated": ProviderAuthError,
    "rate_limit_error": RateLimited,
    "rate_limit_exceeded": RateLimited,
    "rate_limited": RateLimited,
    "resource_exhausted": RateLimited,
    "invalid_request_error": ProviderBadRequest,
    "invalid_argument": ProviderBadRequest,
    "invalid_prompt": ProviderBadRequest,
    "bad_request": ProviderBadRequest,
    "badrequesterror": ProviderBadRequest,  # vLLM
    "not_found": ProviderBadRequest,
    "not_found_error": ProviderBadRequest,
    "request_too_large": ProviderBadRequest,
    "unavailable": Overloaded,
    "service_unavailable": Overloaded,
    "service_unavailable_error": Overloaded,
}


def _class_of(status: int, code: str, kind: str) -> _ErrorClass:
    for word in (code, kind):
        if word in _DECISIVE:
            return _DECISIVE[word]
        if "perday" in word:  # Gemini's quotaId: gone until midnight
            return QuotaExhausted
    if status >= 500:
        return _BY_STATUS.get(status, ProviderServerError)
    if status >= 400:
        return _BY_STATUS.get(status, ProviderBadRequest)
    return _GENERAL.get(code) or _GENERAL.get(kind) or ProviderServerError


@dataclass(frozen=True, slots=True)
class _Pattern:
    """`found`: the class that a text gives to an error of class `seen` (not of its subclasses)."""

    seen: tuple[_ErrorClass, ...]
    text: re.Pattern[str]
    found: _ErrorClass


def _pattern(seen: tuple[_ErrorClass, ...], text: str, found: _ErrorClass) -> _Pattern:
    return _Pattern(seen, re.compile(text, re.IGNORECASE), found)


# What no field says, in order: the first that fits wins.
_PATTERNS = (
    # OpenAI and Groq call a prompt over the whole per-minute allowance a rate limit, but waiting
    # cannot help: only a host with more room can take it. Must stand before the plain limits.
    _pattern(
        (RateLimited, ProviderBadRequest), r"\brequest too large for\b", ProviderPromptTooLong
    ),
    # Anthropic, Gemini, DeepSeek, OpenRouter, vLLM and Ollama send 400 with a general code.
    _pattern(
        (ProviderBadRequest, ProviderServerError),
        r"prompt (is )?too long|(maximum|max) context length|context window"
        r"|input token count .*exceeds|input is too long",
        ProviderPromptTooLong,
    ),
    # Anthropic's empty account is a 400 invalid_request_error.
    _pattern(
        (ProviderBadRequest, ProviderServerError),
        r"credit balance is too low|insufficient (balance|credits)|budget has been exceeded",
        QuotaExhausted,
    ),
    # Compatible hosts put a wrong key into a 400 as Gemini does, without its reason field.
    _pattern((ProviderBadRequest,), r"\b(invalid|incorrect) (x-)?api[ -]key\b", ProviderAuthError),
    # OpenRouter's moderation is a 403, like a key that lacks a permission.
    _pattern((ProviderAuthError,), r"\bflagged\b|\bmoderation\b", ContentBlocked),
    # Gemini has 429s that mean the fleet and not our allowance.
    _pattern((RateLimited,), r"\bno capacity\b|\bcapacity exceeded\b", Overloaded),
    # Stream errors of compatible hosts often have nothing but a sentence.
    _pattern((ProviderServerError,), r"\boverloaded\b|\bat capacity\b|\btoo busy\b", Overloaded),
    _pattern((ProviderServerError,), r"\brate limit", RateLimited),
)


def _refined(error_class: _ErrorClass, message: str) -> _ErrorClass:
    for pattern in _PATTERNS:
        if error_class in pattern.seen and pattern.text.search(message):
            return pattern.found
    return error_class
