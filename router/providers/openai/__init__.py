"""The chat/completions dialect: OpenAI, the hosts that copy it, and local engines."""

from __future__ import annotations

from router.providers.openai.format import OpenAIFormat
from router.providers.openai.quirks import COMMON, Quirks

__all__ = ["COMMON", "OpenAIFormat", "Quirks"]
