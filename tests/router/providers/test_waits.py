"""What replies say about waiting: each format as some host really writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from router.providers.waits import failure_delay, lowered, used_up

NOW = datetime(2026, 11, 24, 9, 20, tzinfo=UTC)
_EPOCH = int(NOW.timestamp())


def now() -> datetime:
    return NOW


def _delay(headers: dict[str, str], message: str = "", stated: float | None = None) -> float | None:
    return failure_delay(429, message, lowered(headers), stated, now)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "37"}, 37.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "1400", "retry-after": "2"}, 1.4),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),  # Azure
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        # the three ways in which HTTP writes a date
        ({"retry-after": "Tue, 24 Nov 2026 09:20:30 GMT"}, 30.0),
        ({"retry-after": "Tuesday, 24-Nov-26 09:20:30 GMT"}, 30.0),
        ({"retry-after": "Tue Nov 24 09:20:30 2026"}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:20:30 +0100"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:20:30 GMT"}, None),
        ({"retry-after": format_datetime(NOW, usegmt=True)}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"x-ratelimit-reset-tokens": "1m26.4s", "x-ratelimit-remaining-tokens": "0"}, 86.4),
        ({"x-ratelimit-reset-requests": "130ms"}, 0.13),
        ({"x-ratelimit-reset": "1795511999000", "x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-reset": str(_EPOCH * 1000 + 5000)}, 5.0),
        ({"anthropic-ratelimit-requests-reset": "2026-11-24T09:20:37Z"}, 37.0),
        # an allowance that is not used up says nothing about this failure
        ({"x-ratelimit-reset-tokens": "59s", "x-ratelimit-remaining-tokens": "500"}, None),
        ({"x-ratelimit-reset-tokens": "0s"}, None),
        ({}, None),
    ],
)
def test_how_long_a_failure_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    found = _delay(headers)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_the_sources_of_a_delay_in_order() -> None:
    message = "Rate limit reached. Please try again in 3.75s."
    reset = {"x-ratelimit-reset-tokens": "57s"}
    assert _delay({}, message) == 3.75
    assert _delay(reset, message) == 57
    assert _delay(reset, message, stated=48) == 48
    assert _delay({**reset, "retry-after": "4"}, message, stated=48) == 4


def test_a_delay_counts_only_with_statuses_that_can_pass() -> None:
    fields = {"retry-after": "5"}
    waiting = {s for s in range(400, 600) if failure_delay(s, "", fields, None, now)}
    assert waiting == {408, 409, 429, *range(500, 600)}


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("6m0s", 360.0),  # OpenAI
        ("1s", 1.0),
        ("20ms", 0.02),
        ("1m26.4s", 86.4),  # Groq
        ("7h12m", 25920.0),
        ("1d2h", 93600.0),
        ("512µs", 0.000512),
        ("33011.382867", 33011.382867),  # Cerebras: seconds
        ("60", 60.0),
        (str(_EPOCH + 7), 7.0),
        (str(_EPOCH * 1000 + 5000), 5.0),  # OpenRouter: milliseconds
        ("2026-11-24T09:20:37Z", 37.0),  # Anthropic
        ("2026-11-24T09:20:37.250Z", 37.25),
        ("2026-11-24T10:20:37+01:00", 37.0),
        ("2026-11-24T09:19:00Z", None),
        ("0s", None),
        ("0", None),
        ("", None),
        ("when it is ready", None),
    ],
)
def test_every_way_to_write_a_reset(reset: str, seconds: float | None) -> None:
    used = used_up({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset}, now)
    assert used is None if seconds is None else used and used.seconds == pytest.approx(seconds)


# Header sets of recorded replies (tests/conformance/recordings), some with their counts at zero.
_ANTHROPIC = {
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "1999000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-24T09:20:11Z",
    "anthropic-ratelimit-output-tokens-limit": "400000",
    "anthropic-ratelimit-output-tokens-remaining": "400000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-24T09:20:12Z",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-24T09:20:13Z",
    "retry-after": "20",  # seen on a good reply: means nothing
}
_OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "1000000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "999787",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "12ms",
}
_MISTRAL = {
    "x-ratelimit-limit-req-minute": "100",
    "x-ratelimit-remaining-req-minute": "99",
    "x-ratelimit-limit-tokens-minute": "100000",
    "x-ratelimit-remaining-tokens-minute": "98321",
    "x-ratelimit-tokens-query-cost": "32",
}
_OPENROUTER = {
    "X-RateLimit-Limit": "20",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": str(_EPOCH * 1000 + 9000),
}


@pytest.mark.parametrize(
    ("headers", "changed", "expected"),
    [
        (_ANTHROPIC, {}, None),
        (
            _ANTHROPIC,
            {"anthropic-ratelimit-requests-remaining": "0"},
            ("anthropic-ratelimit-requests-remaining", 13.0),
        ),
        (
            _ANTHROPIC,
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-remaining": "0",
            },
            ("anthropic-ratelimit-output-tokens-remaining", 12.0),
        ),
        (_OPENAI, {}, None),
        (
            _OPENAI,
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"},
            ("x-ratelimit-remaining-requests", 360.0),
        ),
        # no limit of this kind: zero of zero
        (
            _OPENAI,
            {"x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"},
            None,
        ),
        # no count is no news, unlike with a failure
        ({}, {"x-ratelimit-reset-requests": "59s"}, None),
        # Azure tells no reset
        ({}, {"x-ratelimit-remaining-requests": "0"}, None),
        ({}, {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s"}, None),
        (_MISTRAL, {}, None),
        (
            _MISTRAL,
            {"x-ratelimit-remaining-req-minute": "0"},
            ("x-ratelimit-remaining-req-minute", 60.0),
        ),
        (_OPENROUTER, {}, ("x-ratelimit-remaining", 9.0)),
        # LiteLLM passes on what one of its own upstreams said
        (
            {},
            {
                "llm_provider-x-ratelimit-remaining-requests": "0",
                "llm_provider-x-ratelimit-reset-requests": "50s",
            },
            None,
        ),
        ({}, {}, None),
    ],
)
def test_what_a_good_reply_says_of_allowances(
    headers: dict[str, str], changed: dict[str, str], expected: tuple[str, float] | None
) -> None:
    assert used_up(lowered(headers | changed), now) == expected
