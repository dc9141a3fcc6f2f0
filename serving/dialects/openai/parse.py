"""A chat completions body as a `ChatRequest`: nothing that a model could need is lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from models.chat import (
    ChatRequest,
    Extension,
    Merge,
    Message,
    Mode,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.errors import RequestError, Unsupported
from serving.dialects.decode import decode
from serving.dialects.openai import wire
from serving.dialects.openai.media import content_parts
from serving.dialects.openai.opaque import call_opaques, reasoning_parts

_PARTS = ["text", "image_url", "input_audio", "file", "video_url", "refusal"]
_CHOICES = {
    "messages.role": ["system", "developer", "user", "assistant", "tool", "function"],
    "messages.content.type": _PARTS,
    "messages.tool_calls.type": ["function"],
    "response_format.type": ["text", "json_object", "json_schema"],
    "headstart": list(wire.HeadstartOptions.__struct_fields__),
    "headstart.mode": list(get_args(Mode)),
    "headstart.merge": list(get_args(Merge)),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request, and what its reply must look like besides."""

    request: ChatRequest
    legacy_functions: bool  # the client knows `function_call`, not `tool_calls`


def parse(body: bytes) -> Parsed:
    """Read a body; raises `RequestError` with a sentence that names the field."""
    completion = decode(body, wire.DECODER, _CHOICES)
    _refuse_unsupported(completion)
    legacy = completion.functions is not None and completion.tools is None
    return Parsed(
        request=ChatRequest(
            model=completion.model,
            messages=_messages(completion.messages),
            tools=_tools(completion),
            tool_choice=_tool_choice(completion),
            parallel_tool_calls=False if legacy else completion.parallel_tool_calls,
            response_format=_response_format(completion.response_format),
            max_tokens=completion.max_completion_tokens or completion.max_tokens,
            temperature=completion.temperature,
            top_p=completion.top_p,
            top_k=completion.top_k,
            stop=_stop(completion.stop),
            seed=completion.seed,
            logprobs=bool(completion.logprobs),
            top_logprobs=completion.top_logprobs,
            presence_penalty=completion.presence_penalty,
            frequency_penalty=completion.frequency_penalty,
            logit_bias=completion.logit_bias,
            reasoning_effort=completion.reasoning_effort,
            user=completion.user,
            stream=bool(completion.stream),
            include_usage=bool(
                completion.stream_options and completion.stream_options.include_usage
            ),
            headstart=_extension(completion.headstart),
        ),
        legacy_functions=legacy,
    )


def _refuse_unsupported(completion: wire.ChatCompletion) -> None:
    if not completion.messages:
        raise RequestError("messages: at least one message is needed.", param="messages")
    if completion.n not in (None, 1):
        raise RequestError(
            "n: one answer per request is given here; send the request again for another.",
            param="n",
        )
    if completion.modalities and "audio" in completion.modalities:
        raise Unsupported("modalities: answers are text here, not audio.", param="modalities")
    if completion.top_logprobs and not completion.logprobs:
        raise RequestError("top_logprobs: needs `logprobs: true`.", param="top_logprobs")


def _messages(items: Iterable[wire.AnyMessage]) -> tuple[Message, ...]:
    legacy_calls: dict[str, str] = {}  # function name -> id made up for its last call
    return tuple(_message(item, f"messages[{i}]", legacy_calls) for i, item in enumerate(items))


def _message(item: wire.AnyMessage, path: str, legacy_calls: dict[str, str]) -> Message:
    name = item.name or ""
    match item:
        case wire.SystemMessage() | wire.DeveloperMessage():
            parts: Sequence[Part] = content_parts(item.content, path)
            return Message(role="system", parts=tuple(parts), name=name)
        case wire.UserMessage():
            return Message(role="user", parts=content_parts(item.content, path), name=name)
        case wire.AssistantMessage():
            parts = _assistant_parts(item, path, legacy_calls)
            return Message(role="assistant", parts=tuple(parts), name=name)
        case wire.ToolMessage():
            return _tool_result(item.tool_call_id, item.content, path, name)
        case wire.FunctionMessage():
            return _tool_result(legacy_calls.get(name, name), item.content, path, name)


def _tool_result(call_id: str, content: wire.Content | None, path: str, name: str) -> Message:
    result = ToolResult(call_id=call_id, content=content_parts(content, path), name=name)
    return Message(role="tool", parts=(result,))


def _assistant_parts(
    item: wire.AssistantMessage, path: str, legacy_calls: dict[str, str]
) -> list[Part]:
    thought = item.reasoning_content or item.reasoning or ""
    parts: list[Part] = []
    if item.reasoning_details:
        parts += reasoning_parts(item.reasoning_details, thought)
    elif thought:
        parts.append(Reasoning(text=thought))
    parts += content_parts(item.content, path)
    if item.refusal:
        parts.append(Text(text=item.refusal))
    for i, call in enumerate(item.tool_calls or ()):
        at = f"{path}.tool_calls[{i}].function.arguments"
        parts.append(_call(call.id, call.function, at, extra=call.extra_content))
    if item.function_call:
        call_id = f"call_{len(legacy_calls)}_{item.function_call.name}"
        legacy_calls[item.function_call.name] = call_id
        parts.append(_call(call_id, item.function_call, f"{path}.function_call.arguments"))
    return parts


def _call(call_id: str, function: wire.Function, path: str, extra: object = None) -> ToolCall:
    arguments = function.arguments.strip() or "{}"
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        sentence = f"{path}: not the JSON text of an object ({error})."
        raise RequestError(sentence, param=path) from None
    return ToolCall(id=call_id, name=function.name, arguments=arguments, opaque=call_opaques(extra))


def _tools(completion: wire.ChatCompletion) -> tuple[Tool, ...]:
    if completion.tools is None:
        return tuple(_tool(function) for function in completion.functions or ())
    tools: list[Tool] = []
    for i, item in enumerate(completion.tools):
        if item.type != "function" or item.function is None:
            raise Unsupported(
                f"tools[{i}].type: only tools of type `function` can be called here.",
                param=f"tools[{i}].type",
            )
        tools.append(_tool(item.function, item.cache_control))
    return tuple(tools)


def _tool(function: wire.FunctionDefinition, cache: object = None) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters or {},
        strict=function.strict,
        cache=cache,
    )


def _tool_choice(completion: wire.ChatCompletion) -> ToolChoice | None:
    choice = completion.tool_choice
    if choice is None:
        choice = completion.function_call
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice)
        case wire.FunctionName():
            return ToolChoice(mode="tool", name=choice.name)
        case wire.ToolChoiceObject(type="function", function=wire.FunctionName(name=name)):
            return ToolChoice(mode="tool", name=name)
        case _:
            raise RequestError(
                "tool_choice: use `auto`, `none`, `required`, or an object that names one function.",
                param="tool_choice",
            )


def _response_format(item: wire.Format | None) -> ResponseFormat | None:
    if item is None or item.type == "text":
        return None
    if item.type == "json_object":
        return ResponseFormat(kind="json_object")
    if item.json_schema is None or item.json_schema.schema is None:
        raise RequestError(
            "response_format.json_schema.schema: this field is required with `json_schema`.",
            param="response_format.json_schema.schema",
        )
    return ResponseFormat(
        kind="json_schema",
        name=item.json_schema.name,
        schema=item.json_schema.schema,
        strict=item.json_schema.strict,
    )


def _stop(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _extension(options: wire.HeadstartOptions | None) -> Extension:
    if options is None:
        return Extension()
    return Extension(
        mode=options.mode,
        merge=options.merge,
        task=options.task,
        threshold=options.threshold,
        deadline=options.deadline,
        provider_options=options.provider_options or {},
    )
