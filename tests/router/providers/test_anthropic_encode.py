from __future__ import annotations

import msgspec
import pytest

from models.card import Abilities, ModelCard
from models.catalogue import Catalogue
from models.chat import (
    ChatRequest,
    Extension,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.errors import Unsupported
from router.providers.anthropic import AnthropicFormat

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


def turn(role: Role, *parts: Part | str) -> Message:
    return Message(role=role, parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))


HELLO = (turn("user", "Hello"),)


def sent(request: ChatRequest, card: ModelCard = OLD, *, stream: bool = False) -> Json:
    return msgspec.json.decode(AnthropicFormat().encode(request, card, stream=stream).body)


def messages(*turns: Message, card: ModelCard = OLD, prefill: str = "") -> Json:
    return sent(ChatRequest(model="auto", messages=turns, prefill=prefill), card)["messages"]


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


def test_a_conversation_with_tools_media_and_thoughts() -> None:
    request = ChatRequest(
        model="auto",
        messages=(
            Message(role="system", parts=(Text(text="Be brief.", cache=CACHE),)),
            turn(
                "user", "Weather in both?", Media(kind="image", media_type="image/gif", data="R0")
            ),
            turn(
                "assistant",
                Reasoning(
                    text="Two calls.",
                    opaque=(Opaque(vendor="anthropic", kind="signature", value="sig"),),
                ),
                "Looking.",
                ToolCall(id="a", name="weather", arguments='{"city": "Rome"}'),
                ToolCall(id="b", name="weather"),
            ),
            turn("tool", ToolResult(call_id="a", content=(Text(text="sunny"),))),
            turn("user", "Go on."),
            turn("tool", ToolResult(call_id="b", is_error=True, cache=CACHE)),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="auto"),
        parallel_tool_calls=False,
        max_tokens=100,
        stop=("END", " \n"),
        user="u1",
    )
    assert sent(request) == {
        "model": "old",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather in both?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/gif", "data": "R0"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Two calls.", "signature": "sig"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [{"type": "text", "text": "sunny"}],
                    },
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "is_error": True,
                        "cache_control": CACHE,
                    },
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
        "tools": [
            {
                "name": "weather",
                "description": "Today's",
                "input_schema": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
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


def test_a_history_with_calls_declares_their_tools() -> None:
    body = sent(
        ChatRequest(
            model="auto",
            messages=(
                *HELLO,
                turn("assistant", ToolCall(id="a", name="gone")),
                turn("tool", ToolResult(call_id="a")),
            ),
        )
    )
    assert body["tools"] == [{"name": "gone", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_foreign_call_ids_are_spelt_in_allowed_letters() -> None:
    history = messages(
        *HELLO,
        turn("assistant", ToolCall(id="functions.look:0", name="look")),
        turn("tool", ToolResult(call_id="functions.look:0")),
        turn("assistant", ToolCall(id="functions.look:0", name="look")),
        turn("tool", ToolResult(call_id="functions.look:0")),
        turn("tool", ToolResult(call_id="nobody's")),
    )
    ids = [block.get("id") or block.get("tool_use_id") for m in history for block in m["content"]]
    assert ids == [
        None,
        "functions_look_0",
        "functions_look_0",
        "functions_look_0_2",
        "functions_look_0_2",
        "nobody_s",
    ]


def test_broken_arguments_are_kept_in_an_object() -> None:
    call = turn("assistant", ToolCall(id="a", name="look", arguments='{"x": 1'))
    assert messages(*HELLO, call)[1]["content"][0]["input"] == {"_raw": '{"x": 1'}


def test_thoughts_go_back_to_anthropic_only_and_only_when_signed() -> None:
    history = messages(
        *HELLO,
        turn(
            "assistant",
            Reasoning(text="unsigned"),
            Reasoning(
                text="foreign",
                opaque=(Opaque(vendor="gemini", kind="thought_signature", value="g"),),
            ),
            Reasoning(
                opaque=(Opaque(vendor="anthropic", kind="redacted_thinking", value="secret"),)
            ),
            Reasoning(opaque=(Opaque(vendor="anthropic", kind="signature", value="hidden"),)),
            "Hi.",
        ),
        turn("user", "Bye"),
    )
    assert history[1]["content"] == [
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "thinking", "thinking": "", "signature": "hidden"},
        {"type": "text", "text": "Hi."},
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media(kind="image", url="https://host/cat.png"),
            {"type": "image", "source": {"type": "url", "url": "https://host/cat.png"}},
        ),
        (
            Media(kind="document", file_id="file_1", name="a.pdf"),
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "a.pdf"},
        ),
        (
            Media(kind="document", data="JVBERi0="),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
        ),
        (
            Media(kind="document", media_type="text/csv", data="YSxiCg==", cache=CACHE),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b\n"},
                "cache_control": CACHE,
            },
        ),
    ],
)
def test_media(media: Media, block: Json) -> None:
    assert messages(turn("user", media))[0]["content"] == [block]


def test_audio_is_refused_rather_than_dropped() -> None:
    with pytest.raises(Unsupported, match="audio"):
        messages(turn("user", Media(kind="audio", data="UklGRg==")))


def test_a_prefill_ends_in_a_visible_character() -> None:
    assert messages(*HELLO, prefill="One two. \n")[-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "One two."}],
    }


def test_blank_texts_and_empty_turns_are_left_out() -> None:
    assert messages(turn("user", "Hello", " \n"), turn("assistant", "")) == messages(*HELLO)


def test_a_lone_system_prompt_becomes_the_question() -> None:
    body = sent(ChatRequest(model="auto", messages=(turn("system", "Write a haiku."),)))
    assert "system" not in body
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Write a haiku."}]


def test_a_greeting_by_the_assistant_gets_a_user_turn_before_it() -> None:
    history = messages(turn("assistant", "How can I help?"), *HELLO)
    assert [m["role"] for m in history] == ["user", "assistant", "user"]


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
                "anthropic": {"max_tokens": 7, "output_config": {"effort": "max", "x": [1]}},
                "other": {"never": True},
            }
        ),
    )
    body = sent(request, NEWEST)
    assert body["max_tokens"] == 7
    assert body["output_config"] == {"effort": "max", "x": [1]}
    assert "never" not in body
