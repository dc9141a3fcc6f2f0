"""Requests that real hosts accepted: parsed into our language and encoded again, they are the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from models.card import Abilities, ModelCard
from models.chat import ChatRequest, Extension, Message, Text, Tool
from router.providers.registry import ROWS, resolve, wire_format
from serving.dialects.openai.parse import parse
from tests.fakes.recordings import Recording, recordings

# What the neutral language has no word for; it reaches a provider through `provider_options`.
VENDOR_FIELDS = (
    "n",
    "thinking",
    "reasoning",
    "reasoning_format",
    "service_tier",
    "prompt_cache_key",
    "enable_thinking",
)
NOT_OURS = ("openrouter/json-websearch-annotations",)  # a tool that runs at OpenRouter


def _request(recording: Recording) -> dict[str, Any] | None:
    file = recording.file.with_suffix(".request.json")
    return json.loads(file.read_text()) if file.exists() else None


def _accepted(dialect: str) -> list[Any]:
    return [
        pytest.param(recording, id=recording.id)
        for recording in recordings().values()
        if recording.dialect == dialect
        and recording.kind not in ("batch", "error")
        and recording.id not in NOT_OURS
        and _request(recording) is not None
    ]


@pytest.mark.parametrize("recording", _accepted("openai"))
def test_an_accepted_chat_request_survives_the_way_through(recording: Recording) -> None:
    recorded = cast("dict[str, Any]", _request(recording))
    vendor = {name: recorded.pop(name) for name in VENDOR_FIELDS if name in recorded}
    options = Extension(provider_options={recording.provider: vendor})
    request = replace(parse(json.dumps(recorded).encode()).request, headstart=options)
    known = recording.provider in ROWS
    row = resolve(recording.provider, base_url="http://127.0.0.1", like="" if known else "vllm")
    card = ModelCard(provider=recording.provider, id=recorded["model"], known=False)

    sent = wire_format(row).encode(request, card, stream=bool(recorded.get("stream")))

    assert _normal(json.loads(sent.body)) == _normal(recorded | vendor)


def _normal(body: dict[str, Any]) -> dict[str, Any]:
    """The same body where hosts know two ways to say one thing."""
    body = {key: value for key, value in body.items() if value is not None}
    body.pop("stream_options", None)  # we always ask for the usage
    body.setdefault("stream", False)
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    body["messages"] = [_message(message) for message in body["messages"]]
    for tool in body.get("tools", ()):
        tool["function"].setdefault("description", "")
    return body


def _message(message: dict[str, Any]) -> dict[str, Any]:
    message = {
        field: value for field, value in message.items() if value not in (None, "", False, [])
    }
    if message["role"] == "developer":
        message["role"] = "system"
    if message["role"] == "assistant" and message.get("tool_calls"):
        message.setdefault("reasoning_content", "")
    content: Any = message.get("content")
    if isinstance(content, list):
        parts = [_part(part) for part in cast("list[dict[str, Any]]", content)]
        plain = all(part.keys() == {"type", "text"} for part in parts)
        message["content"] = "\n".join(part["text"] for part in parts) if plain else parts
    return message


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("image_url"), str):
        return {**part, "image_url": {"url": part["image_url"]}}
    return part


@pytest.mark.parametrize("recording", _accepted("responses"))
def test_an_accepted_responses_request_is_what_we_would_send(recording: Recording) -> None:
    recorded = cast("dict[str, Any]", _request(recording))
    thinks = "include" in recorded
    request = ChatRequest(
        model="auto",
        messages=tuple(
            Message(role=item["role"], parts=(Text(text=item["content"]),))
            for item in recorded["input"]
        ),
        tools=tuple(
            Tool(
                name=tool["name"],
                description=tool["description"],
                parameters=tool["parameters"],
                strict=tool.get("strict"),
            )
            for tool in recorded.get("tools", ())
        ),
        reasoning_effort=recorded.get("reasoning", {}).get("effort"),
    )
    efforts = ("low", "medium", "high") if thinks else ()
    card = ModelCard(
        provider=recording.provider,
        id=recorded["model"],
        abilities=Abilities(reasoning=thinks, efforts=efforts),
    )
    row = resolve(recording.provider, dialect="responses", base_url="http://127.0.0.1")
    sent = json.loads(wire_format(row).encode(request, card, stream=recorded["stream"]).body)

    for tool in sent.get("tools", ()):
        tool.pop("strict")
    for tool in recorded.get("tools", ()):
        tool.pop("strict", None)
    recorded.pop("tool_choice", None)  # "auto", which is the default
    assert sent == {"store": False, **recorded}


def test_provider_options_are_passed_untouched() -> None:
    options = {
        "anything": {"deep": [1, None, "ü"]},
        "stream_options": {"include_obfuscation": False},
    }
    request = ChatRequest(
        model="auto",
        messages=(Message(role="user", parts=(Text(text="Hi"),)),),
        headstart=Extension(provider_options={"groq": options, "mistral": {"not": "ours"}}),
    )
    card = ModelCard(provider="groq", id="m")
    body = msgspec.json.decode(wire_format(ROWS["groq"]).encode(request, card, stream=True).body)
    assert body["anything"] == options["anything"]
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert "not" not in body
