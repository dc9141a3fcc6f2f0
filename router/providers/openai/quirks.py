"""How hosts of the chat/completions dialect differ: facts in one row, no code by host name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.chat import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """One host's ways. The defaults suit a compatible host of which nothing is known.

    refused: body fields that the host answers 400 or 422 to; they are left out.
    reasoning_text: when an assistant turn's thinking goes back as `reasoning_content`: `never`;
        `with_tools`, on turns that called tools, where hosts need it; or `always_with_tools`,
        there even when it is empty (DeepSeek answers 400 to such a turn without the field).
    reasoning_opaque: the message field of this host's own reasoning objects, handed back unchanged.
    effort: where the reasoning effort goes: the common field, OpenRouter's `reasoning` object, or
        beside DeepSeek's `thinking` switch.
    for_thinkers: body fields for models that think.
    forced_tool: `any` for hosts that know only that word; a named tool is then the only one sent.
    prefix_path: another path for requests that continue a given answer (DeepSeek's beta).
    key_header: the header of the key; `authorization` carries it as a bearer token.
    """

    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: Literal["seed", "random_seed"] = "seed"
    refused: frozenset[str] = frozenset({"top_k"})
    reasoning_text: Literal["never", "with_tools", "always_with_tools"] = "with_tools"
    reasoning_opaque: Literal["", "reasoning_details", "thinking_blocks"] = ""
    tool_extras: bool = True  # vendor fields of a tool call may be handed back
    effort: Literal["reasoning_effort", "reasoning", "thinking"] = "reasoning_effort"
    for_thinkers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    forced_tool: Literal["openai", "any"] = "openai"
    short_tool_ids: bool = False  # exactly nine letters or digits (Mistral)
    document: Literal["file", "document_url"] = "file"
    cache_control: bool = False  # prompt-cache marks in content parts are understood
    prefix_path: str = ""
    key_header: str = "authorization"


COMMON = Quirks()
