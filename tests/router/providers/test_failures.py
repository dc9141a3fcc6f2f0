"""classify: every kind of upstream failure becomes the class that says what to do about it."""

from __future__ import annotations

import pytest

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
from router.providers.failures import classify


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (400, ProviderBadRequest, False),
        (401, ProviderAuthError, False),
        (402, QuotaExhausted, False),
        (403, ProviderAuthError, False),
        (404, ProviderBadRequest, False),
        (408, ProviderServerError, True),
        (409, ProviderServerError, True),
        (413, ProviderBadRequest, False),
        (418, ProviderBadRequest, False),
        (422, ProviderBadRequest, False),
        (429, RateLimited, True),
        (498, Overloaded, True),
        (500, ProviderServerError, True),
        (502, ProviderServerError, True),
        (503, Overloaded, True),
        (504, ProviderServerError, True),
        (524, ProviderServerError, True),
        (529, Overloaded, True),
    ],
)
def test_the_status_decides_where_the_body_says_nothing(
    status: int, expected: type[ProviderError], retryable: bool
) -> None:
    error = classify(status, message="")
    assert type(error) is expected
    assert error.retryable is retryable
    assert error.upstream_status == status
    assert str(status) in error.message


@pytest.mark.parametrize(
    ("status", "code", "kind", "expected"),
    [
        (429, "insufficient_quota", "insufficient_quota", QuotaExhausted),
        (429, "enforced_spend_limit_reached", "rate_limit_error", QuotaExhausted),
        (429, "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "", QuotaExhausted),
        (400, "context_length_exceeded", "invalid_request_error", ProviderPromptTooLong),
        (400, "400", "budget_exceeded", QuotaExhausted),
        (400, "API_KEY_INVALID", "INVALID_ARGUMENT", ProviderAuthError),
        (400, "content_filter", "", ContentBlocked),
        (400, "invalid_request_error", "too_many_prompt_tokens", ProviderPromptTooLong),
        (402, "invalid_request_error", "unknown_error", QuotaExhausted),
        (500, "", "overloaded_error", Overloaded),
        (503, "model_not_found", "", ProviderBadRequest),
        # inside a 200 stream a numeric code is the status, and a general word is all there is
        (200, "502", "", ProviderServerError),
        (200, "429", "", RateLimited),
        (200, "rate_limit_exceeded", "tokens", RateLimited),
        (200, "", "authentication_error", ProviderAuthError),
        (200, "", "overloaded_error", Overloaded),
        (200, "1300", "", ProviderServerError),
        (0, "", "", ProviderServerError),
    ],
)
def test_a_telling_code_wins_over_the_status(
    status: int, code: str, kind: str, expected: type[ProviderError]
) -> None:
    error = classify(status, code=code, kind=kind, message="Something.")
    assert type(error) is expected
    assert error.upstream_code == (code or kind)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "prompt is too long: 3333404 tokens > 200000 maximum", ProviderPromptTooLong),
        (400, "This model's maximum context length is 32768 tokens.", ProviderPromptTooLong),
        (400, "Your input exceeds the context window of this model.", ProviderPromptTooLong),
        (400, "Your credit balance is too low to access the API.", QuotaExhausted),
        (400, "Invalid max_tokens value, the valid range is [1, 393216]", ProviderBadRequest),
        (400, "Invalid API key provided", ProviderAuthError),
        (403, "Your input was flagged", ContentBlocked),
        (403, "Your API key was reported as leaked.", ProviderAuthError),
        (429, "Request too large for gpt-4o in organization x", ProviderPromptTooLong),
        (413, "Request too large for model `x` on tokens per minute", ProviderPromptTooLong),
        (429, "No capacity available for this model", Overloaded),
        (0, "The server is overloaded", Overloaded),
        (0, "Rate limit reached", RateLimited),
    ],
)
def test_the_text_decides_last(status: int, message: str, expected: type[ProviderError]) -> None:
    assert type(classify(status, message=message)) is expected


@pytest.mark.parametrize(("word", "retryable"), [("true", True), ("false", False)])
def test_the_provider_has_the_last_word_on_retrying(word: str, retryable: bool) -> None:
    for status in (400, 429, 500):
        assert classify(status, headers={"X-Should-Retry": word}).retryable is retryable


def test_a_long_message_is_cut() -> None:
    assert len(classify(500, message="x" * 100_000).message) == 1000


def test_the_headers_say_how_long_to_wait() -> None:
    headers = {"Retry-After": "4"}
    assert classify(429, headers=headers).retry_after == 4
    assert classify(429, headers=headers, delay=48).retry_after == 4
    assert classify(429, delay=48).retry_after == 48
    assert classify(400, headers=headers).retry_after is None
