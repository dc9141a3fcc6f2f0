"""A chat request in neutral form: what any dialect parses into and any provider encodes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Json: TypeAlias = Any  # a decoded JSON value; its shape is the client's or provider's business


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """Vendor data that must travel back unchanged, and only to the vendor that made it.

    Examples: an Anthropic thinking signature, a Gemini thoughtSignature, OpenRouter's
    reasoning_details. `vendor` is the wire format's name (`anthropic`, `gemini`, `openai`).
    """

    vendor: str
    kind: str
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Plain text. `cache` marks a prompt-cache breakpoint after this part (Anthropic shape)."""

    text: str
    cache: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image, document, audio or video: inline base64 `data`, or a `url`, or a provider file."""

    kind: Literal["image", "document", "audio", "video"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What a model thought, with the signatures its vendor wants back."""

    text: str = ""
    opaque: tuple[Opaque, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call the model made. `arguments` is JSON text of an object, `{}` when empty."""

    id: str
    name: str
    arguments: str = "{}"
    opaque: tuple[Opaque, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What the client's tool answered to the call `call_id`."""

    call_id: str
    content: tuple[Text | Media, ...] = ()
    name: str = ""
    is_error: bool = False
    cache: Json = None


Part: TypeAlias = Text | Media | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn. Tool results stand in messages of role `tool`."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str = ""

    @property
    def text(self) -> str:
        """All plain text of the turn, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: dict[str, Json] = field(default_factory=dict[str, Json])
    strict: bool | None = None
    cache: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """`auto`, `none`, `required`, or `tool` with the `name` of the one to call."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """JSON output: any object, or one that fits `schema`."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    schema: dict[str, Json] | None = None
    strict: bool | None = None


Mode: TypeAlias = Literal["auto", "fast", "deep"]
Merge: TypeAlias = Literal["continue", "thinking", "revise", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The `headstart` key of a request: how this one request should be routed and merged."""

    mode: Mode | None = None
    merge: Merge | None = None
    task: str | None = None
    threshold: float | None = None
    deadline: float | None = None  # seconds for the whole request
    provider_options: dict[str, dict[str, Json]] = field(default_factory=dict[str, dict[str, Json]])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request. `None` everywhere means: the client did not say, so neither do we.

    `model` is the client's word for it (`auto`, `fast`, `deep`, `<provider>/<model>`, an alias).
    `prefill` is text of the answer that was already shown: the model continues after it. An
    encoder renders it the way its model wants (the card's `prefill` ability says which can).
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = False
    prefill: str = ""
    headstart: Extension = Extension()

    @property
    def has_media(self) -> bool:
        """True when any turn carries an image, document, audio or video."""
        return any(isinstance(p, Media) for m in self.messages for p in m.parts)

    @property
    def last_user_text(self) -> str:
        """The newest thing the user wrote: what is being asked."""
        for message in reversed(self.messages):
            if message.role == "user" and message.text:
                return message.text
        return ""
