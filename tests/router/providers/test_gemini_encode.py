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
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from router.providers.gemini import GeminiFormat
from tests.fakes.conversations import turn

GEMINIS = [card for card in Catalogue.load().cards() if card.provider == "gemini"]
UNSIGNED = "skip_thought_signature_validator"

FLASH = ModelCard(
    provider="gemini",
    id="flash",
    max_output=65_536,
    abilities=Abilities(
        json_object=True,
        json_schema=True,
        reasoning=True,
        prefill="model_turn",
        efforts=("minimal", "low", "medium", "high"),
    ),
)
HELLO = (turn("user", "Hello"),)
WEATHER = Tool(name="weather", description="Today's", parameters={"type": "object"})


def sent(request: ChatRequest, card: ModelCard = FLASH) -> Json:
    return msgspec.json.decode(GeminiFormat().encode(request, card, stream=True).body)


def config(request: ChatRequest, card: ModelCard = FLASH) -> Json:
    return sent(request, card).get("generationConfig", {})


def signed(kind: str, value: str) -> tuple[Opaque, ...]:
    return (Opaque(vendor="gemini", kind=kind, value=value),)


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        (True, "/v1beta/models/flash:streamGenerateContent?alt=sse"),
        (False, "/v1beta/models/flash:generateContent"),
    ],
)
def test_the_method_is_in_the_path_and_the_key_is_not(stream: bool, path: str) -> None:
    wire = GeminiFormat().encode(ChatRequest(model="auto", messages=HELLO), FLASH, stream=stream)
    assert wire.path == path
    assert GeminiFormat().auth_headers("key") == {"x-goog-api-key": "key"}


def test_a_conversation_with_tools_and_thoughts() -> None:
    request = ChatRequest(
        model="auto",
        messages=(
            turn("system", "Be brief."),
            turn("user", "Weather in both?"),
            turn(
                "assistant",
                Reasoning(text="Two calls.", opaque=signed("thought_signature", "s0")),
                "Looking.",
                Reasoning(opaque=signed("text_signature", "s1")),
                ToolCall(
                    id="a",
                    name="weather",
                    arguments='{"city": "Rome"}',
                    opaque=signed("thought_signature", "s2"),
                ),
                ToolCall(id="b", name="wind"),
            ),
            turn("tool", ToolResult(call_id="b", content=(Text(text="none"),), is_error=True)),
            turn("user", "Go on."),
            turn("tool", ToolResult(call_id="a", content=(Text(text='{"sun": 1}'),))),
        ),
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="tool", name="weather"),
        max_tokens=100,
        temperature=2.5,
        top_p=0.9,
        top_k=40,
        stop=("1", "2", "3", "4", "5", "6"),
        seed=7,
    )
    assert sent(request) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather in both?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Two calls.", "thought": True, "thoughtSignature": "s0"},
                    {"text": "Looking.", "thoughtSignature": "s1"},
                    {
                        "functionCall": {"name": "weather", "args": {"city": "Rome"}, "id": "a"},
                        "thoughtSignature": "s2",
                    },
                    {"functionCall": {"name": "wind", "args": {}, "id": "b"}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "name": "wind",
                            "response": {"error": "none"},
                            "id": "b",
                        }
                    },
                    {
                        "functionResponse": {
                            "name": "weather",
                            "response": {"sun": 1},
                            "id": "a",
                        }
                    },
                    {"text": "Go on."},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "Today's",
                        "parametersJsonSchema": {"type": "object"},
                    }
                ]
            }
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}
        },
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 2.0,
            "topP": 0.9,
            "topK": 40,
            "stopSequences": ["1", "2", "3", "4", "5"],
            "seed": 7,
            "thinkingConfig": {"includeThoughts": True},
        },
    }


@pytest.mark.parametrize("card", GEMINIS, ids=lambda card: card.id)
def test_no_gemini_is_sent_what_it_refuses(card: ModelCard) -> None:
    able = card.abilities
    for effort in (None, "none", "minimal", "high", "max"):
        request = ChatRequest(
            model="auto",
            messages=(*HELLO, turn("assistant", "Half an ans")),
            temperature=0.0,
            top_k=1,
            presence_penalty=1.0,
            reasoning_effort=effort,
            max_tokens=10**9,
            logit_bias={"1": 1.0},
            user="u",
            parallel_tool_calls=False,
        )
        body = sent(request, card)
        assert body.keys() <= {"contents", "generationConfig"}
        made = body["generationConfig"]
        assert able.sampling == ("temperature" in made)
        assert "presencePenalty" not in made  # every thinking model refuses or ignores it
        level = made.get("thinkingConfig", {}).get("thinkingLevel")
        assert level is None or level in able.efforts
        assert body["contents"][-1]["role"] == ("user" if able.prefill == "none" else "model")
        assert card.max_output is None or made["maxOutputTokens"] == card.max_output


@pytest.mark.parametrize(
    ("wanted", "thinking"),
    [
        (None, {"includeThoughts": True}),
        ("none", {"thinkingLevel": "minimal"}),
        ("medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("max", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_thinking_level(wanted: str | None, thinking: Json) -> None:
    request = ChatRequest(model="auto", messages=HELLO, reasoning_effort=wanted)
    assert config(request)["thinkingConfig"] == thinking


def test_a_model_with_a_budget_keeps_its_default() -> None:
    card = ModelCard(provider="gemini", id="2.5", abilities=Abilities(reasoning=True))
    request = ChatRequest(model="auto", messages=HELLO, reasoning_effort="high")
    assert "thinkingConfig" not in config(request, card)


def test_penalties_go_to_models_that_do_not_think() -> None:
    card = ModelCard(provider="gemini", id="2.0")
    request = ChatRequest(
        model="auto", messages=HELLO, presence_penalty=0.5, frequency_penalty=-0.5
    )
    assert config(request, card) == {"presencePenalty": 0.5, "frequencyPenalty": -0.5}


@pytest.mark.parametrize(
    ("choice", "able", "expected"),
    [
        (ToolChoice(mode="auto"), True, {"mode": "AUTO"}),
        (ToolChoice(mode="none"), True, {"mode": "NONE"}),
        (ToolChoice(mode="required"), True, {"mode": "ANY"}),
        (ToolChoice(mode="required"), False, {"mode": "AUTO"}),
        (ToolChoice(mode="tool", name="weather"), False, {"mode": "AUTO"}),
    ],
)
def test_tool_choice(choice: ToolChoice, able: bool, expected: Json) -> None:
    card = ModelCard(provider="gemini", id="x", abilities=Abilities(forced_tool_choice=able))
    request = ChatRequest(model="auto", messages=HELLO, tools=(WEATHER,), tool_choice=choice)
    assert sent(request, card)["toolConfig"] == {"functionCallingConfig": expected}


def test_json_output() -> None:
    schema: dict[str, Json] = {"type": "object", "additionalProperties": False}
    any_object = ResponseFormat(kind="json_object")
    fixed = ResponseFormat(kind="json_schema", schema=schema)
    mime = {"responseMimeType": "application/json"}
    for answer, card, expected in (
        (any_object, FLASH, mime),
        (fixed, FLASH, {**mime, "responseJsonSchema": schema}),
        (fixed, ModelCard(provider="gemini", id="plain"), {}),
    ):
        made = config(ChatRequest(model="auto", messages=HELLO, response_format=answer), card)
        assert {k: v for k, v in made.items() if k.startswith("response")} == expected


def test_logprobs_where_the_model_has_them() -> None:
    request = ChatRequest(model="auto", messages=HELLO, logprobs=True, top_logprobs=3)
    able = ModelCard(provider="gemini", id="x", abilities=Abilities(logprobs=True))
    assert config(request, able) == {"responseLogprobs": True, "logprobs": 3}
    assert "responseLogprobs" not in config(request)


def test_calls_of_other_vendors_carry_the_documented_stand_in() -> None:
    foreign = (Opaque(vendor="openai", kind="x", value="never"),)
    history = sent(
        ChatRequest(
            model="auto",
            messages=(
                *HELLO,
                turn(
                    "assistant",
                    ToolCall(id="toolu_1", name="look", opaque=foreign),
                    ToolCall(id="toolu_2", name="look"),
                ),
                turn("tool", ToolResult(call_id="toolu_1"), ToolResult(call_id="toolu_2")),
            ),
        )
    )["contents"]
    calls = history[1]["parts"]
    assert [call.get("thoughtSignature") for call in calls] == [UNSIGNED, None]
    answers = [part["functionResponse"] for part in history[2]["parts"]]
    assert answers == [
        {"name": "look", "response": {"output": ""}, "id": "toolu_1"},
        {"name": "look", "response": {"output": ""}, "id": "toolu_2"},
    ]


def test_a_text_signature_finds_its_text_whichever_comes_first() -> None:
    sign = Reasoning(text="shown thought", opaque=signed("text_signature", "s"))
    said = {"text": "Hi", "thoughtSignature": "s"}
    for parts, expected in (
        ((sign, Text(text="Hi")), [said]),
        ((Text(text="Hi"), sign), [said]),
        ((sign,), [{"text": "", "thoughtSignature": "s"}]),
    ):
        request = ChatRequest(model="auto", messages=(*HELLO, turn("assistant", *parts)))
        assert sent(request)["contents"][1]["parts"] == expected


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media(kind="audio", media_type="audio/mp3", data="AA=="),
            {"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}},
        ),
        (
            Media(kind="document", data="AA=="),
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        (
            Media(kind="image", url="https://host/cat.webp"),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://host/cat.webp"}},
        ),
        (
            Media(kind="video", file_id="https://host/v1beta/files/1"),
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://host/v1beta/files/1"}},
        ),
    ],
)
def test_media(media: Media, part: Json) -> None:
    request = ChatRequest(model="auto", messages=(turn("user", media),))
    assert sent(request)["contents"][0]["parts"] == [part]


def test_media_of_a_tool_result_follow_it() -> None:
    image = Media(kind="image", data="AA==")
    result = ToolResult(call_id="a", name="draw", content=(Text(text="done"), image))
    parts = sent(ChatRequest(model="auto", messages=(turn("tool", result),)))["contents"][0]
    assert [next(iter(part)) for part in parts["parts"]] == ["functionResponse", "inlineData"]
    assert parts["parts"][0]["functionResponse"]["name"] == "draw"


def test_a_prefill_is_a_model_turn_at_the_end() -> None:
    request = ChatRequest(model="auto", messages=HELLO, prefill="One two. ")
    assert sent(request)["contents"][-1] == {"role": "model", "parts": [{"text": "One two. "}]}


def test_a_lone_system_prompt_becomes_the_question() -> None:
    body = sent(ChatRequest(model="auto", messages=(turn("system", "Write a haiku."),)))
    assert body.keys() == {"contents", "generationConfig"}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Write a haiku."}]}]


def test_a_greeting_by_the_assistant_gets_a_user_turn_before_it() -> None:
    request = ChatRequest(model="auto", messages=(turn("assistant", "How can I help?"), *HELLO))
    assert [turn["role"] for turn in sent(request)["contents"]] == ["user", "model", "user"]


def test_provider_options_are_merged_key_by_key() -> None:
    mine: dict[str, Json] = {
        "generationConfig": {"mediaResolution": "LOW", "seed": 2},
        "safetySettings": [],
    }
    request = ChatRequest(
        model="auto",
        messages=HELLO,
        seed=1,
        max_tokens=5,
        headstart=Extension(provider_options={"gemini": mine, "anthropic": {"never": 1}}),
    )
    body = sent(request)
    assert body["safetySettings"] == []
    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "seed": 2,
        "mediaResolution": "LOW",
        "thinkingConfig": {"includeThoughts": True},
    }
    assert "never" not in body
    assert mine["generationConfig"] == {"mediaResolution": "LOW", "seed": 2}
