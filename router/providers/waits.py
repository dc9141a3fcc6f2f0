"""How long a reply asks us to wait: `retry-after`, the allowances it reports, or its own words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeAlias

Now: TypeAlias = Callable[[], datetime]


class UsedUp(NamedTuple):
    """An allowance of which nothing remains, by the header that says so, and when it is back."""

    header: str
    seconds: float


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by their names in lower case, as the functions here want them."""
    return {name.lower(): value.strip() for name, value in headers.items()}


def failure_delay(
    status: int, message: str, fields: Mapping[str, str], stated: float | None, now: Now = utc_now
) -> float | None:
    """The wait that a failure asks for, most exact source first. Zero and the past say nothing.

    `stated` is what a field of the body says. Only some statuses count: the others carry such
    headers by accident.
    """
    if status not in (0, 408, 409, 429) and status < 500:
        return None
    found = _asked_delay(fields, now) or stated
    if found is None and (used := _longest(fields, now, silence_counts=True)):
        return used.seconds
    if found is None and (match := _TRY_AGAIN.search(message)):
        return _go_duration(match[1])
    return found


def used_up(fields: Mapping[str, str], now: Now = utc_now) -> UsedUp | None:
    """The allowance that a good reply has used up; of several, the one that takes longest.

    `retry-after` is not read: hosts send it with good replies by accident.
    """
    return _longest(fields, now, silence_counts=False)


# Milliseconds first: hosts that send both round the seconds up.
_DELAY_HEADERS = (("retry-after-ms", 1000), ("x-ms-retry-after-ms", 1000), ("retry-after", 1))
_TRY_AGAIN = re.compile(r"\b(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_UNITS = {
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_EPOCH_SECONDS = 1e9  # a larger number is a date, not a duration
_EPOCH_MILLISECONDS = 1e12
_OF_OTHERS = "llm_provider-"  # LiteLLM: what one of its own upstreams said


def _asked_delay(fields: Mapping[str, str], now: Now) -> float | None:
    for name, per_second in _DELAY_HEADERS:
        if seconds := _positive(_number(fields.get(name, ""))):
            return seconds / per_second
    try:
        until = parsedate_to_datetime(fields.get("retry-after", ""))
    except ValueError:
        return None
    return _positive((_aware(until) - now()).total_seconds())


def _longest(fields: Mapping[str, str], now: Now, *, silence_counts: bool) -> UsedUp | None:
    """Of the allowances that are used up, the one that is back last.

    `silence_counts`: one that comes with a reset and no count is used up too.
    """
    found = [
        UsedUp(name, wait)
        for name in _allowances(fields)
        if _is_used_up(name, fields, silence_counts=silence_counts)
        and (wait := _until_reset(name, fields, now))
    ]
    return max(found, key=lambda used: used.seconds, default=None)


def _allowances(fields: Mapping[str, str]) -> set[str]:
    """The names of the `remaining` headers that are there or have a `reset` beside them."""
    return {
        name.replace("reset", "remaining")
        for name in fields
        if "ratelimit" in name
        and ("remaining" in name or "reset" in name)
        and not name.startswith(_OF_OTHERS)
    }


def _is_used_up(name: str, fields: Mapping[str, str], *, silence_counts: bool) -> bool:
    if _number(fields.get(name.replace("remaining", "limit"), "")) == 0:
        return False  # nothing was allowed from the start: it is not what counts here
    remaining = fields.get(name)
    return silence_counts if remaining is None else _number(remaining) == 0


def _until_reset(name: str, fields: Mapping[str, str], now: Now) -> float | None:
    reset = fields.get(name.replace("remaining", "reset"))
    if reset is not None:
        return _seconds(reset, now)
    # Mistral tells no reset, but which span of time is counted.
    return 60.0 if name.endswith("-minute") else None


def _seconds(value: str, now: Now) -> float | None:
    """A reset header's seconds from now: `6s`, `1m26.4s`, RFC 3339, seconds, or Unix time."""
    number = _number(value)
    if number is None:
        if seconds := _go_duration(value):
            return seconds
        try:
            until = datetime.fromisoformat(value)
        except ValueError:
            return None
        return _positive((_aware(until) - now()).total_seconds())
    if number >= _EPOCH_MILLISECONDS:
        number /= 1000
    return _positive(number - now().timestamp() if number >= _EPOCH_SECONDS else number)


def _go_duration(text: str) -> float | None:
    """Seconds of a duration as Go prints it, or None when the text is something else."""
    if _DURATION.sub("", text.lower()):
        return None
    return _positive(sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(text.lower())))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _positive(seconds: float | None) -> float | None:
    return seconds if seconds and seconds > 0 else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
