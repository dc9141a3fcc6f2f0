"""Takes secrets out of text that is about to be logged, stored, traced or shown.

Errors quote upstream replies, URLs and headers, and those can carry keys. Whatever looks like a
credential is replaced; a word too many is better than a key in a log.
"""

from __future__ import annotations

import re

HIDDEN = "[redacted]"

# What a credential's value may be made of when no quotes hold it.
_BARE = r"[^\s\"'\\,;&<>(){}\[\]]+"

# Names of fields, headers and parameters whose value is a credential.
_NAMES = (
    r"(?:\b|[_-])(?:authorization|api[_-]?key|virtual[_-]?key|access[_-]?key"
    r"|(?:access|refresh|auth|id|session|bearer|secret|api)[_-]?token"
    r"|(?:client[_-]?)?secret|password|passwd)"
)
_TO_VALUE = r"[\"']?\s*(?:[:=]|%3D)\s*(?:(?:bearer|basic)\s+)?+"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # A whole header: a cookie's value has spaces and semicolons of its own.
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+"), rf"\1{HIDDEN}"),
    # `user:password@` in a URL, so also database and Redis addresses.
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)[^\s/@\"']+@"), rf"\1{HIDDEN}@"),
    # `"api_key": "v"`, then `x-api-key: v`, `access_token=v`, `Authorization: Bearer v`.
    (re.compile(rf"(?i)({_NAMES}{_TO_VALUE})([\"'])(?:(?!\2).)+\2"), rf"\1\2{HIDDEN}\2"),
    (re.compile(rf"(?i)({_NAMES}{_TO_VALUE})(?!\[redacted\]){_BARE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(\b(?:key|token|sig|signature)=)(?!\[redacted\]){_BARE}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer(?:\s+|%20|\+))(?!\[redacted\])[^\s\"',;&<>]{8,}"), rf"\1{HIDDEN}"),
    # Keys that their own shape gives away, wherever they stand.
    (
        re.compile(
            r"\b(?:"
            r"(?:sk|pk|rk)[-_][A-Za-z0-9*._-]{6,}"  # OpenAI, Anthropic, OpenRouter, DeepSeek
            r"|gsk_[A-Za-z0-9*]{6,}"  # Groq
            r"|AIza[A-Za-z0-9*_-]{6,}"  # Google
            r"|ya29\.[A-Za-z0-9*._-]{6,}"  # Google OAuth
            r"|(?:xai|pplx|tpp|hf|ghp|gho|ghs|glpat)[-_][A-Za-z0-9*_-]{12,}"
            r"|eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"  # JSON web tokens
            r")"
        ),
        HIDDEN,
    ),
)


def redact(text: str) -> str:
    """`text` with every credential in it replaced by `[redacted]`."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
