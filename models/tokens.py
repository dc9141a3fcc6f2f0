"""How many tokens a text is, roughly, without any model's tokenizer."""

from __future__ import annotations

from models.chat import ChatRequest, Media, Reasoning, Text, ToolCall, ToolResult

_CHARS_PER_TOKEN = 4.0  # English prose and code on current byte-pair vocabularies
_TOKENS_PER_WIDE_CHAR = 0.75  # Chinese, Japanese, Korean, Thai and other scripts above Latin
_MEDIA_TOKENS = 1500  # about one megapixel at Anthropic's width x height / 750
_TURN_TOKENS = 4


def estimate_tokens(text: str) -> int:
    """Tokens of a text: a quarter of its ASCII characters, three quarters of the wide ones."""
    if text.isascii():
        return round(len(text) / _CHARS_PER_TOKEN + 0.49)
    wide = sum(char > "\u02ff" for char in text)
    return round((len(text) - wide) / _CHARS_PER_TOKEN + wide * _TOKENS_PER_WIDE_CHAR + 0.49)


def estimate_prompt(request: ChatRequest) -> int:
    """Tokens of all turns, tools and media of a request."""
    total = sum(estimate_tokens(t.name + t.description + str(t.parameters)) for t in request.tools)
    for message in request.messages:
        total += _TURN_TOKENS
        for part in message.parts:
            total += _part_tokens(part)
    return total + estimate_tokens(request.prefill)


def _part_tokens(part: Text | Media | Reasoning | ToolCall | ToolResult) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text):
            return estimate_tokens(text)
        case ToolCall(name=name, arguments=arguments):
            return estimate_tokens(name + arguments) + _TURN_TOKENS
        case ToolResult(content=content):
            return sum(_part_tokens(inner) for inner in content) + _TURN_TOKENS
        case Media():
            return _MEDIA_TOKENS
