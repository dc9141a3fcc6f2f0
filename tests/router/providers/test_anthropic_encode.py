from __future__ import annotations

import msgspec
import pytest

from models.card import Abilities, ModelCard
from models.catalogue import Catalogue
from models.chat import (
    ChatRequest,
    Extension,
    Json,
    Opaque,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from router.providers.anthropic import AnthropicFormat
from tests.fakes.conversations import turn

CLAUDES = [card for card in Catalogue.load().cards() if card.provider == "anthropic"]
EFFORTS = ("low", "medium", "high", "xhigh", "max")

# What the newest Claudes are: thinking always, no sampling, no prefill, no forced tool.
NEWEST = ModelCard(
    provider="anthropic",
    id="newest",
    max_output=128_000,
    abilities=Abilities(
        json_schema=True,
        forced_tool_choice=False,
        sampling=False,
        reasoning=True,
        reasoning_always_on=True,
        efforts=EFFORTS,
    ),
)
OLD = ModelCard(
    provider="anthropic",
    id="old",
    max_output=64_000,
    abilities=Abilities(json_schema=True, prefill="assistant_turn", reasoning=True),
)
WEATHER = Tool(name="weather", description="Today's", parameters={"properties": {}})
CACHE = {"type": "ephemeral", "ttl": "1h"}
HELLO = (turn("user", "Hello"),)


def sent(request: ChatRequest, card: ModelCard = OLD, *, stream: bool = False) -> Json:
    return msgspec.json.decode(AnthropicFormat().encode(request, card, stream=stream).body)


def test_a_plain_request_is_one_post_with_the_api_version() -> None:
    wire = AnthropicFormat().encode(ChatRequest(model="auto", messages=HELLO), OLD, stream=True)
    assert wire.path == "/v1/messages"
    assert wire.headers["anthropic-version"] == "2023-06-01"
    assert AnthropicFormat().auth_headers("key") == {"x-api-key": "key"}
    assert msgspec.json.decode(wire.body) == {
        "model": "old",
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "stream": True,
    }


@pytest.mark.parametrize("card", CLAUDES, ids=lambda card: card.id)
def test_no_claude_is_sent_what_it_answers_400_to(card: ModelCard) -> None:
    able = card.abilities
    for effort in (None, "none", "minimal", "ultra", *EFFORTS):
        body = sent(
            ChatRequest(
                model="auto",
                messages=(*HELLO, turn("assistant", "Half an ans ")),
                tools=(WEATHER,),
                tool_choice=ToolChoice(mode="required"),
                temperature=1.7,
                top_p=0.5,
                top_k=40,
                seed=1,
                logprobs=True,
                presence_penalty=1.0,
                logit_bias={"1": 1.0},
                reasoning_effort=effort,
                max_tokens=10**9,
            ),
            card,
        )
        assert not {"seed", "logprobs", "presence_penalty", "logit_bias", "top_p"} & body.keys()
        assert body.get("temperature", 1.0) == 1.0
        assert able.sampling or not {"temperature", "top_k"} & body.keys()
        assert able.forced_tool_choice or body["tool_choice"] == {"type": "auto"}
        assert not able.reasoning_always_on or body["thinking"]["type"] == "adaptive"
        effort_sent = body.get("output_config", {}).get("effort")
        assert effort_sent is None or effort_sent in able.efforts
        last = body["messages"][-1]
        assert last["role"] == ("user" if able.prefill == "none" else "assistant")
        assert last["content"][-1]["text"] == last["content"][-1]["text"].rstrip()
        assert card.max_output is None or body["max_tokens"] == card.max_output


@pytest.mark.parametrize(
    ("wanted", "thinking", "effort"),
    [
        (None, "adaptive", None),
        ("none", "adaptive", "low"),
        ("minimal", "adaptive", "low"),
        ("medium", "adaptive", "medium"),
        ("max", "adaptive", "max"),
        ("ultra", "adaptive", "high"),
    ],
)
def test_effort_of_a_model_that_always_thinks(
    wanted: str | None, thinking: str, effort: str | None
) -> None:
    body = sent(ChatRequest(model="auto", messages=HELLO, reasoning_effort=wanted), NEWEST)
    assert body["thinking"] == {"type": thinking, "display": "summarized"}
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("wanted", "thinking"),
    [(None, None), ("none", {"type": "disabled"}), ("high", "adaptive")],
)
def test_thinking_of_a_model_that_may_think(wanted: str | None, thinking: Json) -> None:
    abilities = Abilities(reasoning=True, efforts=("low", "high"))
    card = ModelCard(provider="anthropic", id="may", abilities=abilities)
    request = ChatRequest(model="auto", messages=HELLO, reasoning_effort=wanted, temperature=0.3)
    body = sent(request, card)
    if thinking == "adaptive":
        assert body["thinking"]["type"] == "adaptive"
        assert "temperature" not in body  # refused beside thinking
    else:
        assert body.get("thinking") == thinking
        assert body["temperature"] == 0.3


def test_a_model_that_thinks_by_default_shows_it() -> None:
    abilities = Abilities(reasoning=True, sampling=False, efforts=("low", "high"))
    card = ModelCard(provider="anthropic", id="thinks", abilities=abilities)
    shown = {"type": "adaptive", "display": "summarized"}
    assert sent(ChatRequest(model="auto", messages=HELLO), card)["thinking"] == shown


def test_thoughts_that_lost_their_place_are_dropped_and_not_refused() -> None:
    sign = Opaque(vendor="anthropic", kind="signature", value="s")
    history = (*HELLO, turn("assistant", Reasoning(opaque=(sign,)), "Hi"), turn("user", "Bye"))
    beta = "thinking-binding-controls-2026-08-01"
    for messages, card, bound in (
        (history, NEWEST, True),
        (HELLO, NEWEST, False),
        (history, OLD, False),
    ):
        request = ChatRequest(model="auto", messages=messages)
        wire = AnthropicFormat().encode(request, card, stream=True)
        assert wire.headers.get("anthropic-beta") == (beta if bound else None)
        binding = msgspec.json.decode(wire.body).get("thinking", {}).get("block_binding")
        assert binding == ({"prefix_mismatch_behavior": "drop_block"} if bound else None)


def test_a_forced_tool_goes_without_thinking() -> None:
    abilities = Abilities(reasoning=True, efforts=("low", "high"))
    card = ModelCard(provider="anthropic", id="may", abilities=abilities)
    body = sent(
        ChatRequest(
            model="auto",
            messages=HELLO,
            tools=(WEATHER,),
            tool_choice=ToolChoice(mode="tool", name="weather"),
            reasoning_effort="high",
        ),
        card,
    )
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}
    assert "thinking" not in body
    assert body["output_config"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("mode", "sent_type"), [("none", "none"), ("auto", "auto"), ("required", "any")]
)
def test_tool_choice(mode: str, sent_type: str) -> None:
    choice = msgspec.convert({"mode": mode}, ToolChoice)
    request = ChatRequest(model="auto", messages=HELLO, tools=(WEATHER,), tool_choice=choice)
    assert sent(request)["tool_choice"] == {"type": sent_type}


def test_parallel_calls_are_switched_off_without_a_tool_choice_too() -> None:
    request = ChatRequest(model="auto", messages=HELLO, tools=(WEATHER,), parallel_tool_calls=False)
    assert sent(request)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("limit", "window", "wanted", "expected"),
    [
        (64_000, 200_000, None, 64_000),
        (64_000, 200_000, 10, 10),
        (64_000, 200_000, 99_000, 64_000),
        (None, None, None, 4096),
        (None, 2048, None, 1024),
        (None, None, 99_000, 99_000),
    ],
)
def test_max_tokens(
    limit: int | None, window: int | None, wanted: int | None, expected: int
) -> None:
    card = ModelCard(provider="anthropic", id="x", max_output=limit, window=window)
    request = ChatRequest(model="auto", messages=HELLO, max_tokens=wanted)
    assert sent(request, card)["max_tokens"] == expected


def test_a_json_schema_is_closed_and_its_limits_become_words() -> None:
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "Years"},
            "tags": {"type": "array", "minItems": 2, "items": {"type": "string", "maxLength": 9}},
            "minimum": {"oneOf": [{"type": "null"}, {"properties": {}}]},
            "pet": {"$ref": "#/$defs/Pet"},
        },
        "required": ["age"],
        "$defs": {"Pet": {"type": "object", "additionalProperties": True}},
    }
    body = sent(
        ChatRequest(
            model="auto",
            messages=HELLO,
            response_format=ResponseFormat(kind="json_schema", schema=schema),
        ),
        NEWEST,
    )
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "age": {"type": "integer", "description": "Years (minimum: 0)"},
                "tags": {
                    "type": "array",
                    "items": {"type": "string", "description": "(maxLength: 9)"},
                    "description": "(minItems: 2)",
                },
                "minimum": {
                    "anyOf": [{"type": "null"}, {"properties": {}, "additionalProperties": False}]
                },
                "pet": {"$ref": "#/$defs/Pet"},
            },
            "required": ["age"],
            "$defs": {"Pet": {"type": "object", "additionalProperties": False}},
            "additionalProperties": False,
        },
    }


def test_a_strict_tool_is_closed_too_and_another_is_left_alone() -> None:
    loose = Tool(name="loose", parameters={"type": "object", "minProperties": 1}, cache=CACHE)
    strict = Tool(name="strict", parameters={"type": "object"}, strict=True)
    body = sent(ChatRequest(model="auto", messages=HELLO, tools=(loose, strict)))
    assert body["tools"] == [
        {
            "name": "loose",
            "input_schema": {"type": "object", "minProperties": 1},
            "cache_control": CACHE,
        },
        {
            "name": "strict",
            "input_schema": {"type": "object", "additionalProperties": False},
            "strict": True,
        },
    ]


def test_temperature_is_clamped_and_top_p_steps_back_for_it() -> None:
    both = sent(ChatRequest(model="auto", messages=HELLO, temperature=1.5, top_p=0.9, top_k=3))
    assert (both["temperature"], both.get("top_p"), both["top_k"]) == (1.0, None, 3)
    assert sent(ChatRequest(model="auto", messages=HELLO, top_p=0.9))["top_p"] == 0.9


def test_provider_options_come_last_and_only_those_of_this_provider() -> None:
    request = ChatRequest(
        model="auto",
        messages=HELLO,
        max_tokens=5,
        reasoning_effort="low",
        headstart=Extension(
            provider_options={
                "anthropic": {
                    "max_tokens": 7,
                    "output_config": {"x": [1]},
                    "thinking": {"type": "between_tools"},
                },
                "other": {"never": True},
            }
        ),
    )
    body = sent(request, NEWEST)
    assert body["max_tokens"] == 7
    assert body["output_config"] == {"effort": "low", "x": [1]}
    assert body["thinking"] == {"type": "between_tools"}  # one of several shapes: replaced
    assert "never" not in body
