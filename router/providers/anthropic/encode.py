"""A chat request as the body of `POST /v1/messages`.

Left out because the card says that the model refuses it: sampling parameters, a forced tool choice
(the model then chooses by itself), JSON Schema output, efforts it does not know. Left out because
the API has no such thing: seed, logprobs, penalties, logit_bias, and JSON output without a schema.
"""

from __future__ import annotations

import msgspec

from models.card import ModelCard
from models.chat import ChatRequest, Json, Tool, ToolCall
from router.providers.anthropic.messages import conversation
from router.providers.anthropic.schema import closed_schema
from router.providers.base import WireRequest
from router.providers.efforts import nearest_effort
from router.providers.options import with_provider_options

# `max_tokens` is required. For a model of unknown output limit: what every Claude can write.
_MAX_TOKENS = 4096

# Newer models hide their thoughts unless asked. Shown, they also prove that the stream is alive.
_THINK: dict[str, Json] = {"type": "adaptive", "display": "summarized"}

# From Fable 5.1 and the 5.5 models on, a thought is bound to everything that stood before it, and
# one that comes back behind anything else (a draft, another dialect's spelling) fails the request.
# https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
_DROP_UNBOUND: dict[str, Json] = {"prefix_mismatch_behavior": "drop_block"}
_BINDING_CONTROLS = "thinking-binding-controls-2026-08-01"


def encode_request(request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
    """The request in Anthropic's words, with the client's `provider_options` on top."""
    body = _body(request, card, stream=stream)
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    if body.get("thinking", {}).get("block_binding"):
        headers["anthropic-beta"] = _BINDING_CONTROLS
    return WireRequest("/v1/messages", msgspec.json.encode(body), headers)


def _body(request: ChatRequest, card: ModelCard, *, stream: bool) -> dict[str, Json]:
    system, messages = conversation(request, card)
    tools, choice = _tools(request), _tool_choice(request, card)
    thinking = _thinking(request, card, forced=choice.get("type") in ("any", "tool"))
    if thinking == _THINK and _has_thoughts(messages):
        thinking = {**thinking, "block_binding": _DROP_UNBOUND}
    body: dict[str, Json] = {
        "model": card.id,
        "max_tokens": _max_tokens(request, card),
        "system": system,
        "messages": messages,
        "tools": tools,
        "tool_choice": choice if tools else {},
        "thinking": thinking,
        "output_config": _output_config(request, card),
        "stop_sequences": [stop for stop in request.stop if stop.strip()],
        "metadata": {"user_id": request.user} if request.user else {},
        **_sampling(request, card, thinking),
    }
    body = {key: value for key, value in body.items() if value not in ([], {})}
    if stream:
        body["stream"] = True
    return with_provider_options(body, request, card)


def _max_tokens(request: ChatRequest, card: ModelCard) -> int:
    limit = card.max_output
    if request.max_tokens is not None:
        return min(request.max_tokens, limit or request.max_tokens)
    # A small local model behind this API has a window that the prompt must also fit in.
    return limit or min(_MAX_TOKENS, (card.window or 2 * _MAX_TOKENS) // 2)


def _tools(request: ChatRequest) -> list[Json]:
    if request.tools:
        return [_tool(tool) for tool in request.tools]
    # A history with tool calls and no tools is refused ("must define tools").
    calls = (part for turn in request.messages for part in turn.parts)
    names = dict.fromkeys(part.name for part in calls if isinstance(part, ToolCall))
    return [{"name": name, "input_schema": {"type": "object"}} for name in names]


def _tool(tool: Tool) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "object", **tool.parameters}
    result: dict[str, Json] = {"name": tool.name}
    if tool.description:
        result["description"] = tool.description
    result["input_schema"] = closed_schema(schema) if tool.strict else schema
    if tool.strict:
        result["strict"] = True
    if tool.cache:
        result["cache_control"] = tool.cache
    return result


def _tool_choice(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    if not request.tools:
        return {"type": "none"}
    wanted = request.tool_choice
    choice: dict[str, Json] = {}
    if wanted is None or wanted.mode == "auto":
        choice = {"type": "auto"} if wanted else {}
    elif wanted.mode == "none":
        return {"type": "none"}
    elif not card.abilities.forced_tool_choice:
        choice = {"type": "auto"}
    elif wanted.mode == "tool":
        choice = {"type": "tool", "name": wanted.name}
    else:
        choice = {"type": "any"}
    if request.parallel_tool_calls is False:
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    return choice


def _thinking(request: ChatRequest, card: ModelCard, *, forced: bool) -> dict[str, Json]:
    always_on = card.abilities.reasoning_always_on
    if request.reasoning_effort == "none" and not always_on:
        return {"type": "disabled"} if card.abilities.efforts else {}
    # Of the models with effort levels, those that refuse sampling think by default.
    asked_or_default = request.reasoning_effort is not None or not card.abilities.sampling
    thinks = always_on or (card.abilities.efforts and asked_or_default)
    # Thinking goes neither with a forced tool call nor with a prefill.
    return _THINK if thinks and not forced and not request.prefill else {}


def _has_thoughts(messages: list[dict[str, Json]]) -> bool:
    return any(
        block["type"] in ("thinking", "redacted_thinking")
        for turn in messages
        for block in turn["content"]
    )


def _sampling(
    request: ChatRequest, card: ModelCard, thinking: dict[str, Json]
) -> dict[str, float | int]:
    """Temperature up to 1 (OpenAI's goes to 2), and never beside `top_p`: 4.x models refuse both."""
    if not card.abilities.sampling or thinking.get("type") == "adaptive":
        return {}
    result: dict[str, float | int] = {}
    if request.temperature is not None:
        result["temperature"] = min(max(request.temperature, 0.0), 1.0)
    elif request.top_p is not None:
        result["top_p"] = request.top_p
    if request.top_k is not None:
        result["top_k"] = request.top_k
    return result


def _output_config(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    result: dict[str, Json] = {}
    wanted = request.reasoning_effort
    if wanted and (wanted != "none" or card.abilities.reasoning_always_on):
        effort = nearest_effort(wanted, card.abilities.efforts)
        result = {"effort": effort} if effort else {}
    answer = request.response_format
    if answer and answer.schema is not None and card.abilities.json_schema:
        result["format"] = {"type": "json_schema", "schema": closed_schema(answer.schema)}
    return result
