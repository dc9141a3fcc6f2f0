"""A chat request as the body of `generateContent` and `streamGenerateContent`.

Left out because the card says that the model refuses it: sampling parameters, a forced tool choice
(the model then chooses by itself), JSON output, efforts it does not know. Left out because the API
has no such thing: parallel_tool_calls, logit_bias, user. Penalties go to models without thinking
only: those with thinking refuse or ignore them.
"""

from __future__ import annotations

from models.card import ModelCard
from models.chat import ChatRequest, Json, Tool
from router.providers.efforts import nearest_effort
from router.providers.gemini.contents import conversation
from router.providers.options import with_provider_options

_MAX_STOPS = 5  # more are refused


def encode_body(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    """The request's JSON, with the client's `provider_options` on top."""
    system, contents = conversation(request, card)
    body: dict[str, Json] = {
        "systemInstruction": {"parts": system} if system else {},
        "contents": contents,
        "tools": _tools(request),
        "toolConfig": _tool_config(request, card),
        "generationConfig": _generation_config(request, card),
    }
    body = {key: value for key, value in body.items() if value not in ([], {})}
    return with_provider_options(body, request, card)


def _tools(request: ChatRequest) -> list[Json]:
    declared = [_declaration(tool) for tool in request.tools]
    return [{"functionDeclarations": declared}] if declared else []


def _declaration(tool: Tool) -> dict[str, Json]:
    result: dict[str, Json] = {"name": tool.name, "description": tool.description}
    if tool.parameters:
        result["parametersJsonSchema"] = tool.parameters
    return result


def _tool_config(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    wanted = request.tool_choice
    if wanted is None or not request.tools:
        return {}
    config: dict[str, Json] = {"mode": "AUTO"}
    if wanted.mode == "none":
        config["mode"] = "NONE"
    elif wanted.mode != "auto" and card.abilities.forced_tool_choice:
        config["mode"] = "ANY"
        if wanted.mode == "tool":
            config["allowedFunctionNames"] = [wanted.name]
    return {"functionCallingConfig": config}


def _generation_config(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    config: dict[str, Json] = {
        "maxOutputTokens": request.max_tokens,
        "stopSequences": list(request.stop[:_MAX_STOPS]) or None,
        "seed": request.seed,
        "thinkingConfig": _thinking(request, card) or None,
        **_sampling(request, card),
        **_answer_format(request, card),
    }
    if request.max_tokens and card.max_output:
        config["maxOutputTokens"] = min(request.max_tokens, card.max_output)
    if request.logprobs and card.abilities.logprobs:
        config["responseLogprobs"] = True
        config["logprobs"] = request.top_logprobs or None
    return {key: value for key, value in config.items() if value is not None}


def _sampling(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    if not card.abilities.sampling:
        return {}
    warmth = request.temperature
    result: dict[str, Json] = {
        "temperature": None if warmth is None else min(max(warmth, 0.0), 2.0),
        "topP": request.top_p,
        "topK": request.top_k,
    }
    if not card.abilities.reasoning:
        result["presencePenalty"] = request.presence_penalty
        result["frequencyPenalty"] = request.frequency_penalty
    return result


def _thinking(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    """Level and visible thoughts, for models with levels; those with a budget keep their default.

    Thoughts are asked for because a stream that thinks in silence looks like one that stalls.
    """
    efforts = card.abilities.efforts
    if not efforts:
        return {}
    wanted = request.reasoning_effort
    level = nearest_effort(wanted, efforts) if wanted else ""
    config: dict[str, Json] = {"thinkingLevel": level} if level else {}
    if level not in ("none", "minimal"):
        config["includeThoughts"] = True
    return config


def _answer_format(request: ChatRequest, card: ModelCard) -> dict[str, Json]:
    answer = request.response_format
    abilities = card.abilities
    if answer is None or not (abilities.json_schema or abilities.json_object):
        return {}
    result: dict[str, Json] = {"responseMimeType": "application/json"}
    if answer.schema is not None and abilities.json_schema:
        result["responseJsonSchema"] = answer.schema
    return result
