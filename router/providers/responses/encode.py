"""A neutral request as the body of `POST /responses`.

Left out, since the dialect has no place for them: stop, seed, penalties, logit_bias, top_k.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.card import ModelCard
from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from router.providers.base import WireRequest
from router.providers.efforts import nearest_effort
from router.providers.options import with_provider_options

Body = dict[str, Json]


def encode_request(request: ChatRequest, card: ModelCard, *, stream: bool) -> WireRequest:
    """The whole HTTP request; `provider_options` come last and win."""
    body: Body = {"model": card.id, "input": _input(request), "stream": stream, "store": False}
    body |= _options(request, card)
    body |= _tools(request, card)
    include = _include(request, card)
    if include:
        body["include"] = include
    body = with_provider_options(body, request, card)
    headers = {"content-type": "application/json"}
    return WireRequest("/responses", msgspec.json.encode(body), headers)


def _present(fields: Body) -> Body:
    return {name: value for name, value in fields.items() if value is not None}


def _input(request: ChatRequest) -> list[Body]:
    items: list[Body] = []
    for message in request.messages:
        if message.role == "assistant":
            items += _assistant(message)
        elif message.role == "tool":
            items += [_result(part) for part in message.parts if isinstance(part, ToolResult)]
        else:
            items.append({"role": message.role, "content": _content(message.parts)})
    if request.prefill:
        items.append(_said(request.prefill))
    return items


def _assistant(message: Message) -> list[Body]:
    """Items in the order in which they were made: thinking must stand before what followed it."""
    items: list[Body] = []
    for part in message.parts:
        if isinstance(part, Reasoning):
            items += (o.value for o in part.opaque if _is_thought(o))
        elif isinstance(part, Text):
            if part.text:
                items.append(_said(part.text))
        elif isinstance(part, ToolCall):
            arguments = part.arguments or "{}"
            call = {"call_id": part.id, "name": part.name, "arguments": arguments}
            items.append({"type": "function_call", **call})
    return items


def _is_thought(opaque: Opaque) -> bool:
    """Whether this is an item of ours. It came by way of the client, so it can be anything."""
    is_item = opaque.kind == "reasoning" and isinstance(opaque.value, dict)
    return is_item and opaque.vendor == "responses"


def _said(text: str) -> Body:
    return {"role": "assistant", "content": [{"type": "output_text", "text": text}]}


def _result(result: ToolResult) -> Body:
    output = _content(result.content)
    return {"type": "function_call_output", "call_id": result.call_id, "output": output}


def _content(parts: Iterable[Part]) -> str | list[Body]:
    shown = [part for part in parts if isinstance(part, Text | Media)]
    texts = [part.text for part in shown if isinstance(part, Text)]
    if len(texts) == len(shown):
        return "\n".join(texts)
    return [
        {"type": "input_text", "text": part.text} if isinstance(part, Text) else _media(part)
        for part in shown
    ]


def _media(media: Media) -> Body:
    inline = f"data:{media.media_type};base64,{media.data}" if media.data else None
    if media.kind == "image":
        image = {
            "image_url": media.url or inline,
            "file_id": media.file_id or None,
            "detail": media.detail or None,
        }
        return {"type": "input_image", **_present(image)}
    file = {
        "file_url": media.url or None,
        "file_data": inline,
        "file_id": media.file_id or None,
        "filename": (media.name or "document.pdf") if inline else None,
    }
    return {"type": "input_file", **_present(file)}


def _options(request: ChatRequest, card: ModelCard) -> Body:
    limit = request.max_tokens
    if limit is not None and card.max_output is not None:
        limit = min(limit, card.max_output)
    fields: Body = {
        "max_output_tokens": limit,
        "user": request.user,
        "text": _format(request, card),
        "reasoning": _effort(request, card),
    }
    if card.abilities.sampling:
        fields |= {"temperature": request.temperature, "top_p": request.top_p}
    if _logprobs(request, card):
        fields["top_logprobs"] = request.top_logprobs or 0
    return _present(fields)


def _format(request: ChatRequest, card: ModelCard) -> Body | None:
    wanted, can = request.response_format, card.abilities
    if wanted is None:
        return None
    if wanted.kind == "json_schema" and (can.json_schema or not card.known):
        schema = {"name": wanted.name or "answer", "schema": wanted.schema, "strict": wanted.strict}
        return {"format": {"type": "json_schema", **_present(schema)}}
    if can.json_object or can.json_schema or not card.known:
        return {"format": {"type": "json_object"}}
    return None


def _effort(request: ChatRequest, card: ModelCard) -> Body | None:
    wanted = request.reasoning_effort
    if wanted is None:
        return None
    allowed = card.abilities.efforts or (() if card.known else (wanted,))
    effort = nearest_effort(wanted, allowed)
    return {"effort": effort} if effort else None


def _tools(request: ChatRequest, card: ModelCard) -> Body:
    if not request.tools or not card.abilities.tools:
        return {}
    fields: Body = {
        "tools": [
            _present(
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description or None,
                    "parameters": tool.parameters or {"type": "object", "properties": {}},
                    # Strict is this dialect's default, and would change a schema not written for it.
                    "strict": tool.strict or False,
                }
            )
            for tool in request.tools
        ],
        "parallel_tool_calls": request.parallel_tool_calls,
    }
    choice = request.tool_choice
    if choice is not None and choice.mode in ("auto", "none"):
        fields["tool_choice"] = choice.mode
    elif choice is not None and card.abilities.forced_tool_choice:
        named = {"type": "function", "name": choice.name}
        fields["tool_choice"] = named if choice.mode == "tool" else "required"
    return _present(fields)


def _include(request: ChatRequest, card: ModelCard) -> list[str]:
    include: list[str] = []
    if card.abilities.reasoning:  # models that do not think answer 400 to it
        include.append("reasoning.encrypted_content")
    if _logprobs(request, card):
        include.append("message.output_text.logprobs")
    return include


def _logprobs(request: ChatRequest, card: ModelCard) -> bool:
    return request.logprobs and (card.abilities.logprobs or not card.known)
