"""What each host of the chat/completions dialect is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.card import Abilities, ModelCard, PrefillForm
from models.chat import (
    ChatRequest,
    Json,
    Message,
    Part,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
)
from router.providers.registry import ROWS, wire_format

ABLE = Abilities(
    json_object=True,
    json_schema=True,
    logprobs=True,
    reasoning=True,
    efforts=("low", "high", "max"),
)
SCHEMA: dict[str, Json] = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOLS = (Tool(name="f", parameters=SCHEMA), Tool(name="g", description="G", strict=True))


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts or (Text(text="Hi"),))


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=messages or (user(),), **fields)


def sent(
    request: ChatRequest, host: str = "tokenmix", abilities: Abilities = ABLE, **card: Any
) -> dict[str, Any]:
    model = ModelCard(provider=host, id="m", abilities=abilities, **card)
    return msgspec.json.decode(wire_format(ROWS[host]).encode(request, model, stream=True).body)


def path(request: ChatRequest, host: str, prefill: PrefillForm) -> str:
    card = ModelCard(provider=host, id="m", abilities=Abilities(prefill=prefill))
    return wire_format(ROWS[host]).encode(request, card, stream=True).path


def test_the_least_that_is_sent() -> None:
    assert sent(ask()) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


EVERYTHING = ask(
    max_tokens=5000,
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    stop=("END",),
    seed=7,
    logprobs=True,
    top_logprobs=3,
    presence_penalty=0.1,
    frequency_penalty=0.2,
    logit_bias={"50256": -100},
    user="u1",
    reasoning_effort="medium",
)


@pytest.mark.parametrize(
    ("host", "differs"),
    [
        ("tokenmix", {}),
        ("vllm", {"top_k": 40}),
        ("openai", {"max_tokens": None, "max_completion_tokens": 4096}),
        (
            "groq",
            {
                "logprobs": None,
                "top_logprobs": None,
                "logit_bias": None,
                "reasoning_format": "parsed",
            },
        ),
        (
            "mistral",
            {
                "stream_options": None,
                "seed": None,
                "random_seed": 7,
                "logprobs": None,
                "top_logprobs": None,
                "logit_bias": None,
                "user": None,
            },
        ),
        ("deepseek", {}),
        ("openrouter", {"top_k": 40, "reasoning_effort": None, "reasoning": {"effort": "high"}}),
    ],
)
def test_every_option_in_each_host_s_words(host: str, differs: dict[str, Json]) -> None:
    common: dict[str, Json] = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 4096,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 3,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logit_bias": {"50256": -100},
        "user": "u1",
        "reasoning_effort": "high",
    }
    wanted = {name: value for name, value in (common | differs).items() if value is not None}
    assert sent(EVERYTHING, host, max_output=4096) == wanted


def test_what_the_card_does_not_allow_is_left_out() -> None:
    unable = Abilities(sampling=False, tools=False, forced_tool_choice=False)
    request = ask(
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        logprobs=True,
        tools=TOOLS,
        tool_choice=ToolChoice(mode="required"),
        response_format=ResponseFormat(kind="json_schema", schema=SCHEMA),
        reasoning_effort="high",
    )
    assert sent(request, "vllm", unable) == sent(ask(), "vllm", unable)


def test_a_model_that_no_catalogue_lists_gets_what_the_client_said() -> None:
    request = ask(
        logprobs=True,
        response_format=ResponseFormat(kind="json_schema", name="a", schema=SCHEMA, strict=True),
        reasoning_effort="xhigh",
    )
    body = sent(request, abilities=Abilities(), known=False)
    assert body["logprobs"] is True
    assert body["reasoning_effort"] == "xhigh"
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": SCHEMA, "strict": True},
    }


def test_a_schema_becomes_plain_json_where_only_that_is_known() -> None:
    request = ask(response_format=ResponseFormat(kind="json_schema", schema=SCHEMA))
    assert sent(request, abilities=Abilities(json_object=True))["response_format"] == {
        "type": "json_object"
    }


def test_no_thinking_at_deepseek_is_a_switch() -> None:
    body = sent(ask(reasoning_effort="none"), "deepseek")
    assert body["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in body


@pytest.mark.parametrize(
    ("choice", "host", "wanted"),
    [
        (ToolChoice(mode="auto"), "openai", "auto"),
        (ToolChoice(mode="none"), "openai", "none"),
        (ToolChoice(mode="required"), "openai", "required"),
        (
            ToolChoice(mode="tool", name="g"),
            "openai",
            {"type": "function", "function": {"name": "g"}},
        ),
        (ToolChoice(mode="required"), "mistral", "any"),
        (ToolChoice(mode="tool", name="g"), "mistral", "any"),
    ],
)
def test_tool_choice(choice: ToolChoice, host: str, wanted: Json) -> None:
    body = sent(ask(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False), host)
    assert body["tool_choice"] == wanted
    assert body["parallel_tool_calls"] is False
    only_one = host == "mistral" and choice.mode == "tool"
    assert [tool["function"]["name"] for tool in body["tools"]] == (
        ["g"] if only_one else ["f", "g"]
    )


def test_tools() -> None:
    assert sent(ask(tools=TOOLS))["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": SCHEMA}},
        {
            "type": "function",
            "function": {
                "name": "g",
                "description": "G",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
    ]


PREFILLED = ask(user(), prefill="The answer")


@pytest.mark.parametrize(
    ("host", "form", "last", "fields"),
    [
        ("tokenmix", "assistant_turn", {}, {}),
        ("mistral", "prefix_flag", {"prefix": True}, {}),
        ("deepseek", "prefix_flag", {"prefix": True}, {"thinking": {"type": "disabled"}}),
        (
            "vllm",
            "continue_final_message",
            {},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
    ],
)
def test_an_answer_is_continued_in_the_host_s_way(
    host: str, form: PrefillForm, last: dict[str, Json], fields: dict[str, Json]
) -> None:
    body = sent(PREFILLED, host, Abilities(prefill=form))
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "The answer", **last},
    ]
    assert body.items() >= fields.items()


def test_only_deepseek_continues_at_another_address() -> None:
    assert path(PREFILLED, "deepseek", "prefix_flag") == "/beta/chat/completions"
    assert path(ask(), "deepseek", "prefix_flag") == "/chat/completions"
    assert path(PREFILLED, "mistral", "prefix_flag") == "/chat/completions"


def test_a_client_s_own_start_of_the_answer_is_continued() -> None:
    started = Message(role="assistant", parts=(Text(text="The "),))
    body = sent(ask(user(), started), "mistral", Abilities(prefill="prefix_flag"))
    assert body["messages"][-1] == {"role": "assistant", "content": "The ", "prefix": True}
    request = ask(user(), started, prefill="answer")
    body = sent(request, "vllm", Abilities(prefill="continue_final_message"))
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer"}
    assert len(body["messages"]) == 2


def test_keys_go_where_the_host_looks_for_them() -> None:
    def header(host: str, key: str) -> dict[str, str]:
        return wire_format(ROWS[host]).auth_headers(key)

    assert header("openai", "k") == {"authorization": "Bearer k"}
    assert header("portkey", "k") == {"x-portkey-api-key": "k"}
    assert header("azure", "k") == {"api-key": "k"}
    assert header("vllm", "") == {}
