"""A neutral request as the body of chat/completions, by the card and the host's quirks."""

from __future__ import annotations

import msgspec

from models.card import Abilities, ModelCard
from models.chat import ChatRequest, Json, Tool
from router.providers.base import WireRequest
from router.providers.efforts import nearest_effort
from router.providers.openai.messages import encode_messages
from router.providers.openai.quirks import Quirks
from router.providers.options import with_provider_options

Body = dict[str, Json]


def encode_request(
    request: ChatRequest, card: ModelCard, quirks: Quirks, *, stream: bool
) -> WireRequest:
    """The whole HTTP request; `provider_options` come last and win."""
    messages = encode_messages(request, quirks)
    body: Body = {"model": card.id, "messages": messages, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}  # the ledger needs it
    body |= _sampling(request, card, quirks)
    body |= _output(request, card.abilities, card.known)
    body |= _tools(request, card.abilities, quirks)
    body |= _effort(request, card, quirks)
    if card.abilities.reasoning:
        body |= quirks.for_thinkers
    continued = _continue_answer(body, messages, request.prefill, card.abilities, quirks)
    for field in quirks.refused:
        body.pop(field, None)
    path = quirks.prefix_path if continued and quirks.prefix_path else "/chat/completions"
    body = with_provider_options(body, request, card)
    headers = {"content-type": "application/json"}
    return WireRequest(path, msgspec.json.encode(body), headers)


def _present(fields: Body) -> Body:
    return {name: value for name, value in fields.items() if value is not None}


def _sampling(request: ChatRequest, card: ModelCard, quirks: Quirks) -> Body:
    limit = request.max_tokens
    if limit is not None and card.max_output is not None:
        limit = min(limit, card.max_output)
    fields: Body = {
        quirks.max_tokens: limit,
        "stop": list(request.stop) or None,
        quirks.seed: request.seed,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "logit_bias": request.logit_bias,
        "user": request.user,
    }
    if card.abilities.sampling:
        fields |= {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
        }
    return _present(fields)


def _output(request: ChatRequest, abilities: Abilities, known: bool) -> Body:
    """Format and log-probabilities. A model that no catalogue lists gets what the client said."""
    fields: Body = {}
    if request.logprobs and (abilities.logprobs or not known):
        fields |= _present({"logprobs": True, "top_logprobs": request.top_logprobs})
    wanted = request.response_format
    if wanted is None:
        return fields
    if wanted.kind == "json_schema" and (abilities.json_schema or not known):
        schema = {"name": wanted.name or "answer", "schema": wanted.schema, "strict": wanted.strict}
        fields["response_format"] = {"type": "json_schema", "json_schema": _present(schema)}
    elif abilities.json_object or abilities.json_schema or not known:
        fields["response_format"] = {"type": "json_object"}
    return fields


def _tools(request: ChatRequest, abilities: Abilities, quirks: Quirks) -> Body:
    tools = request.tools
    if not tools or not abilities.tools:
        return {}
    fields: Body = {}
    choice = request.tool_choice
    if choice is not None and (choice.mode in ("auto", "none") or abilities.forced_tool_choice):
        if choice.mode in ("auto", "none"):
            fields["tool_choice"] = choice.mode
        elif quirks.forced_tool == "any":
            fields["tool_choice"] = "any"
            if choice.mode == "tool":
                tools = tuple(tool for tool in tools if tool.name == choice.name)
        elif choice.mode == "tool":
            fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        else:
            fields["tool_choice"] = "required"
    fields["tools"] = [_tool(tool) for tool in tools]
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _tool(tool: Tool) -> Body:
    function = {
        "name": tool.name,
        "description": tool.description or None,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
        "strict": tool.strict,
    }
    return {"type": "function", "function": _present(function)}


def _effort(request: ChatRequest, card: ModelCard, quirks: Quirks) -> Body:
    wanted = request.reasoning_effort
    if wanted is None:
        return {}
    allowed = card.abilities.efforts
    if not allowed and not card.known:
        allowed = (wanted,)
    if quirks.effort == "thinking" and wanted == "none":
        return {"thinking": {"type": "disabled"}}
    effort = nearest_effort(wanted, allowed)
    if not effort:
        return {}
    return (
        {"reasoning": {"effort": effort}}
        if quirks.effort == "reasoning"
        else {"reasoning_effort": effort}
    )


def _continue_answer(
    body: Body, messages: list[Body], prefill: str, abilities: Abilities, quirks: Quirks
) -> bool:
    """Make the last assistant turn the start of the answer; False when there is none.

    A trailing assistant turn of the client's own is one too, where the host has a mark for it:
    without the mark Mistral refuses it and vLLM starts a new turn.
    """
    form = abilities.prefill
    last: Body = messages[-1] if messages else {}
    own = last.get("role") == "assistant" and "tool_calls" not in last
    if prefill and own:
        last["content"] += prefill
    elif prefill:
        last = {"role": "assistant", "content": prefill}
        messages.append(last)
    elif not own or form not in ("prefix_flag", "continue_final_message"):
        return False
    if form == "continue_final_message":
        body |= {"continue_final_message": True, "add_generation_prompt": False}  # vLLM: never both
    elif form == "prefix_flag":
        last["prefix"] = True
        if quirks.effort == "thinking":
            # Thinking comes before the first word, and the first words are given.
            body.pop("reasoning_effort", None)
            body["thinking"] = {"type": "disabled"}
    return True
