"""Chat completions bodies become requests without loss, or errors that name the field."""

import json
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from models.chat import (
    ChatRequest,
    Extension,
    Media,
    Message,
    Opaque,
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
from serving.dialects.openai.parse import parse

REQUESTS = sorted((Path(__file__).parent / "requests").glob("*.json"))


def parsed(**fields: Any) -> ChatRequest:
    fields = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]} | fields
    return parse(json.dumps(fields).encode()).request


def message(**fields: Any) -> Message:
    return parsed(messages=[fields]).messages[0]


def refused(body: str | bytes | dict[str, Any]) -> str:
    raw = json.dumps(body) if isinstance(body, dict) else body
    with pytest.raises(RequestError) as caught:
        parse(raw.encode() if isinstance(raw, str) else raw)
    return caught.value.message


def said(part: Part) -> Any:
    """A part in OpenAI's words again."""
    match part:
        case Text():
            return part.text
        case ToolCall():
            function = {"name": part.name, "arguments": part.arguments}
            return {"id": part.id, "type": "function", "function": function}
        case ToolResult():
            return "".join(said(inner) for inner in part.content)
        case Reasoning():
            return part.text
        case Media():
            raise AssertionError("no recorded request has media")


def turn_as_sent(turn: Message) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": turn.role, "content": turn.text}
    for part in turn.parts:
        if isinstance(part, ToolResult):
            sent |= {"tool_call_id": part.call_id, "content": said(part)}
        if isinstance(part, ToolCall):
            sent.setdefault("tool_calls", []).append(said(part))
        if isinstance(part, Reasoning):
            sent["reasoning_content"] = part.text
    return sent


def tool_as_sent(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


@pytest.mark.parametrize("file", REQUESTS, ids=lambda file: file.stem)
def test_what_real_clients_send_is_understood_whole(file: Path) -> None:
    body = json.loads(file.read_text())["body"]

    request = parse(json.dumps(body).encode()).request

    assert [turn_as_sent(turn) for turn in request.messages] == body["messages"]
    assert [tool_as_sent(tool) for tool in request.tools] == body.get("tools", [])
    assert request.model == body["model"]
    assert request.stream is body["stream"]
    assert request.max_tokens == body.get("max_tokens")
    assert request.temperature == body.get("temperature")
    assert request.include_usage is ("stream_options" in body)
    known = {"messages", "tools", "model", "stream", "max_tokens", "temperature", "stream_options"}
    assert body.keys() - known <= {"tool_choice"}


def test_every_option_arrives() -> None:
    request = parsed(
        max_completion_tokens=50,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop="END",
        seed=7,
        logprobs=True,
        top_logprobs=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logit_bias={"5": -100},
        reasoning_effort="low",
        parallel_tool_calls=False,
        user="u1",
        stream=True,
        stream_options={"include_usage": True},
        metadata={"a": "b"},
        store=True,
        never_heard_of={"x": 1},
        headstart={
            "mode": "deep",
            "merge": "hold",
            "task": "code",
            "threshold": 0.7,
            "deadline": 20,
            "provider_options": {"anthropic": {"thinking": {"type": "adaptive"}}},
        },
    )

    assert request == ChatRequest(
        model="auto",
        messages=(Message(role="user", parts=(Text(text="Hi"),)),),
        max_tokens=50,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        seed=7,
        logprobs=True,
        top_logprobs=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logit_bias={"5": -100},
        reasoning_effort="low",
        parallel_tool_calls=False,
        user="u1",
        stream=True,
        include_usage=True,
        headstart=Extension(
            mode="deep",
            merge="hold",
            task="code",
            threshold=0.7,
            deadline=20,
            provider_options={"anthropic": {"thinking": {"type": "adaptive"}}},
        ),
    )


def test_null_means_not_said() -> None:
    nothing = dict.fromkeys(
        ("max_tokens", "temperature", "stop", "tools", "tool_choice", "n", "headstart", "logprobs")
    )
    assert parsed(**nothing) == parsed()


def test_a_request_without_a_model_gets_our_choice() -> None:
    assert parse(b'{"messages":[{"role":"user","content":"Hi"}]}').request.model == "auto"


def test_developer_and_system_are_the_same_turn() -> None:
    system = message(role="system", content="Be brief")
    assert system.role == "system"
    assert message(role="developer", content="Be brief") == system


def test_content_parts() -> None:
    turn = message(
        role="user",
        content=[
            {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
            {"type": "image_url", "image_url": "https://x.test/b.png"},
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
            {"type": "file", "file": {"file_data": "CCCC", "filename": "a.pdf"}},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,DDDD"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "video_url", "video_url": {"url": "https://x.test/c.mp4"}},
        ],
    )
    assert turn.parts == (
        Text(text="Look", cache={"type": "ephemeral"}),
        Media(kind="image", media_type="image/png", data="AAAA"),
        Media(kind="image", url="https://x.test/a.png", detail="low"),
        Media(kind="image", url="https://x.test/b.png"),
        Media(kind="audio", media_type="audio/wav", data="BBBB"),
        Media(kind="document", media_type="application/pdf", data="CCCC", name="a.pdf"),
        Media(kind="document", media_type="text/plain", data="DDDD"),
        Media(kind="document", file_id="file-1"),
        Media(kind="video", url="https://x.test/c.mp4"),
    )


def test_an_assistant_turn_keeps_thoughts_text_and_calls_in_order() -> None:
    turn = message(
        role="assistant",
        content="Let me look.",
        reasoning_content="I need the weather.",
        tool_calls=[
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                "extra_content": {"google": {"thought_signature": "sig"}},
            },
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
        ],
    )
    thought_signature = Opaque(vendor="gemini", kind="thought_signature", value="sig")
    as_sent = {"google": {"thought_signature": "sig"}}
    assert turn.parts == (
        Reasoning(text="I need the weather."),
        Text(text="Let me look."),
        ToolCall(
            id="c1",
            name="weather",
            arguments='{"city":"Bern"}',
            opaque=(
                thought_signature,
                Opaque(vendor="openai", kind="extra_content", value=as_sent),
            ),
        ),
        ToolCall(id="c2", name="now", arguments="{}"),
    )


def test_tools_choice_and_format() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    request = parsed(
        tools=[{"type": "function", "function": function}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
    )
    assert request.tools == (
        Tool(name="f", description="d", parameters={"type": "object"}, strict=True),
    )
    assert request.tool_choice == ToolChoice(mode="tool", name="f")
    assert request.response_format == ResponseFormat(
        kind="json_schema", name="n", schema={"type": "object"}, strict=True
    )
    assert parsed(tool_choice="required").tool_choice == ToolChoice(mode="required")
    assert parsed(response_format={"type": "text"}).response_format is None
    assert parsed(response_format={"type": "json_object"}).response_format == ResponseFormat(
        kind="json_object"
    )


def test_functions_of_2023_become_tools_and_their_results_find_their_call() -> None:
    body: dict[str, Any] = {
        "functions": [{"name": "now", "parameters": {}}],
        "function_call": {"name": "now"},
        "messages": [
            {"role": "user", "content": "Time?"},
            {"role": "assistant", "content": None, "function_call": {"name": "now"}},
            {"role": "function", "name": "now", "content": "noon"},
        ],
    }
    result = parse(json.dumps(body).encode())

    request = result.request
    assert result.legacy_functions
    assert request.tools == (Tool(name="now"),)
    assert request.tool_choice == ToolChoice(mode="tool", name="now")
    assert request.parallel_tool_calls is False
    [call] = request.messages[1].parts
    [answer] = request.messages[2].parts
    assert isinstance(call, ToolCall)
    assert answer == ToolResult(call_id=call.id, name="now", content=(Text(text="noon"),))


def test_half_an_emoji_is_let_through() -> None:
    body = rb'{"messages":[{"role":"user","content":"cut \ud83d"}]}'
    assert parse(body).request.last_user_text == "cut ?"


def test_errors_name_the_place() -> None:
    def of(**fields: Any) -> str:
        return refused({"messages": [{"role": "user", "content": "Hi"}]} | fields)

    def of_turn(**fields: Any) -> str:
        return refused({"messages": [fields]})

    assert [
        refused(""),
        refused('{"messages": [}'),
        refused('{"messages": []\n"n": 1}'),
        refused('{"n": NaN}'),
        refused(b'{"messages":[{"role":"user","content":"\xff"}]}'),
        refused("[]"),
        refused("{}"),
        refused({"messages": []}),
        refused({"messages": "Hi"}),
        refused({"messages": ["Hi"]}),
        of_turn(content="Hi"),
        of_turn(role="robot", content="Hi"),
        of_turn(role="user"),
        of_turn(role="user", content=5),
        of_turn(role="user", content=[{"type": "smell"}]),
        of_turn(role="user", content=[{"type": "text", "text": 5}]),
        of_turn(role="user", content=[{"type": "image_url", "image_url": {"url": "ftp://x"}}]),
        of_turn(role="user", content=[{"type": "image_url", "image_url": {"url": "data:x"}}]),
        of_turn(role="user", content=[{"type": "file", "file": {}}]),
        of_turn(role="tool", content="x"),
        of_turn(
            role="assistant", tool_calls=[{"id": "1", "function": {"name": "f", "arguments": "{"}}]
        ),
        of(n=2),
        of(temperature=3),
        of(max_tokens=0),
        of(max_tokens="many"),
        of(top_logprobs=2),
        of(stop=5),
        of(modalities=["text", "audio"]),
        of(tools=[{"type": "web_search"}]),
        of(tool_choice="maybe"),
        of(response_format={"type": "yaml"}),
        of(response_format={"type": "json_schema"}),
        of(headstart={"mod": "fast"}),
        of(headstart={"mode": "quick"}),
        of(headstart={"threshold": 2}),
        of(headstart={"deadline": 0}),
        of(headstart={"provider_options": {"anthropic": 1}}),
    ] == snapshot(
        [
            "The body is empty: a JSON object is needed.",
            "The body is not valid JSON at line 1, column 15 (byte 14): Expecting value.",
            "The body is not valid JSON at line 2, column 1 (byte 16): Expecting ',' delimiter.",
            "The body is not valid JSON: NaN is not a JSON number.",
            "The body is not valid UTF-8 at byte 39.",
            "The body: expected an object, got a list.",
            "messages: this field is required.",
            "messages: at least one message is needed.",
            "messages: expected a list, got a string.",
            "messages[0]: expected an object, got a string.",
            "messages[0].role: this field is required.",
            "messages[0].role: 'robot' is not known here. Use one of system, developer, user, assistant, tool, function.",
            "messages[0].content: this field is required.",
            "messages[0].content: expected a string or a list, got an integer.",
            "messages[0].content[0].type: 'smell' is not known here. Use one of text, image_url, input_audio, file, video_url, refusal.",
            "messages[0].content[0].text: expected a string, got an integer.",
            "messages[0].content[0].image_url.url: use an http(s) address or a base64 data URL.",
            "messages[0].content[0].image_url.url: a data URL must look like `data:image/png;base64,…`.",
            "messages[0].content[0].file: give `file_data` or `file_id`.",
            "messages[0].tool_call_id: this field is required.",
            "messages[0].tool_calls[0].function.arguments: not the JSON text of an object (Input data was truncated).",
            "n: one answer per request is given here; send the request again for another.",
            "temperature: expected a number <= 2.0.",
            "max_tokens: expected an integer >= 1.",
            "max_tokens: expected an integer, got a string.",
            "top_logprobs: needs `logprobs: true`.",
            "stop: expected a string or a list, got an integer.",
            "modalities: answers are text here, not audio.",
            "tools[0].type: only tools of type `function` can be called here.",
            "tool_choice: use `auto`, `none`, `required`, or an object that names one function.",
            "response_format.type: 'yaml' is not known here. Use one of text, json_object, json_schema.",
            "response_format.json_schema.schema: this field is required with `json_schema`.",
            "headstart: unknown field `mod`. Did you mean `mode`?",
            "headstart.mode: 'quick' is not known here. Use one of auto, fast, deep.",
            "headstart.threshold: expected a number <= 1.0.",
            "headstart.deadline: expected a number > 0.0.",
            "headstart.provider_options[...]: expected an object, got an integer.",
        ]
    )


def test_too_deep_nesting_is_refused() -> None:
    assert "too deeply" in refused('{"x":' + "[" * 100_000)


def test_an_unsupported_feature_is_said_to_be_that() -> None:
    with pytest.raises(Unsupported):
        parsed(tools=[{"type": "custom", "custom": {"name": "x"}}])


def test_the_field_is_in_param() -> None:
    with pytest.raises(RequestError) as caught:
        parsed(messages=[{"role": "user", "content": [{"type": "text"}]}])
    assert caught.value.param == "messages[0].content[0].text"
