"""The bytes of a chat completions request, as types.

msgspec checks them while it decodes. Unknown keys are let through everywhere but in our own
`headstart` object: clients send many that concern OpenAI's platform only (`store`, `metadata`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from models.chat import Json, Merge, Mode

Penalty = Annotated[float, Meta(ge=-2, le=2)]
PositiveInt = Annotated[int, Meta(ge=1)]


class ContentPart(Struct, tag_field="type", kw_only=True):
    """A piece of a message; `type` says which."""

    cache_control: Json = None  # Anthropic's prompt-cache mark, as OpenRouter and LiteLLM pass it


class TextPart(ContentPart, tag="text", kw_only=True):
    """Plain text."""

    text: str


class RefusalPart(ContentPart, tag="refusal", kw_only=True):
    """What the assistant said when it refused."""

    refusal: str


class Url(Struct):
    """An address or a data URL."""

    url: str
    detail: str | None = None


class ImagePart(ContentPart, tag="image_url", kw_only=True):
    """An image. Some clients give the address without the object around it."""

    image_url: Url | str


class VideoPart(ContentPart, tag="video_url", kw_only=True):
    """A video, in the shape that vLLM and OpenRouter take."""

    video_url: Url | str


class Audio(Struct):
    """Base64 audio and its format (`wav`, `mp3`)."""

    data: str
    format: str


class AudioPart(ContentPart, tag="input_audio", kw_only=True):
    """Something the user said."""

    input_audio: Audio


class File(Struct):
    """A document: inline (data URL or bare base64), or uploaded to the provider before."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(ContentPart, tag="file", kw_only=True):
    """A document, usually a PDF."""

    file: File


AnyPart = TextPart | RefusalPart | ImagePart | VideoPart | AudioPart | FilePart
Content = str | list[AnyPart]


class Function(Struct):
    """The name of a function and the JSON text of its arguments."""

    name: str
    arguments: str = ""


class ToolCallItem(Struct):
    """A call in an assistant turn. `extra_content` carries Gemini's thought signature."""

    id: str
    function: Function
    type: Literal["function"] = "function"
    extra_content: Json = None


class Message(Struct, tag_field="role", kw_only=True):
    """One turn; `role` says which."""

    name: str | None = None


class SystemMessage(Message, tag="system", kw_only=True):
    """Instructions."""

    content: Content


class DeveloperMessage(Message, tag="developer", kw_only=True):
    """Instructions, in the newer word for them."""

    content: Content


class UserMessage(Message, tag="user", kw_only=True):
    """What the user says."""

    content: Content


class AssistantMessage(Message, tag="assistant", kw_only=True):
    """What the model said, thought and called."""

    content: Content | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallItem] | None = None
    function_call: Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None


class ToolMessage(Message, tag="tool", kw_only=True):
    """What a tool answered."""

    content: Content | None = None
    tool_call_id: str


class FunctionMessage(Message, tag="function", kw_only=True):
    """What a function answered, in the form of 2023: it names the function, not the call."""

    content: Content | None = None


AnyMessage = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


class FunctionDefinition(Struct):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolDefinition(Struct):
    """A tool; only functions are known here."""

    type: str
    function: FunctionDefinition | None = None
    cache_control: Json = None


class FunctionName(Struct):
    """The one function to call."""

    name: str


class ToolChoiceObject(Struct):
    """`{"type": "function", "function": {"name": …}}`."""

    type: str
    function: FunctionName | None = None


class JsonSchema(Struct):
    """The schema that the answer must fit."""

    name: str = ""
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Format(Struct):
    """`text`, `json_object` or `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    """What a stream should carry besides the answer."""

    include_usage: bool | None = None


class HeadstartOptions(Struct, forbid_unknown_fields=True):
    """Our extension: how this one request is routed and merged."""

    mode: Mode | None = None
    merge: Merge | None = None
    task: str | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    deadline: Annotated[float, Meta(gt=0)] | None = None
    provider_options: dict[str, dict[str, Any]] | None = None


class ChatCompletion(Struct):
    """The whole request."""

    messages: list[AnyMessage]
    model: str = "auto"
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[ToolDefinition] | None = None
    tool_choice: str | ToolChoiceObject | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionDefinition] | None = None
    function_call: str | FunctionName | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None
    user: str | None = None
    headstart: HeadstartOptions | None = None


DECODER = msgspec.json.Decoder(ChatCompletion)
