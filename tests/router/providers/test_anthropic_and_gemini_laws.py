"""What holds for every conversation, whichever of the two formats it is put into."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given

from models.card import Abilities, ModelCard
from models.chat import ChatRequest, Json, Message, Part, Text, ToolCall, ToolResult
from router.providers.anthropic import AnthropicFormat
from router.providers.gemini import GeminiFormat
from tests.fakes.conversations import VENDORS, requests, values

Format: TypeAlias = AnthropicFormat | GeminiFormat

FORMATS = pytest.mark.parametrize(
    "wire", [AnthropicFormat(), GeminiFormat()], ids=["anthropic", "gemini"]
)
CARD = ModelCard(provider="here", id="model", abilities=Abilities(reasoning=True))


def texts_of(messages: list[Message]) -> list[str]:
    parts: list[Part] = [part for message in messages for part in message.parts]
    return [part.text for part in parts if isinstance(part, Text)]


def is_within(wanted: list[str], found: list[Json]) -> bool:
    """Whether `wanted` stands in `found` in this order; placeholders may stand between."""
    rest = iter(found)
    return all(text in rest for text in wanted)


def body_of(wire: Format, request: ChatRequest) -> Json:
    return msgspec.json.decode(wire.encode(request, CARD, stream=True).body)


def turns_of(wire: Format, request: ChatRequest) -> list[Json]:
    return body_of(wire, request)["messages" if wire.name == "anthropic" else "contents"]


def pieces_of(turn: Json) -> list[Json]:
    return turn.get("content") or turn.get("parts")


@FORMATS
@given(request=requests())
def test_every_text_arrives_in_order(wire: Format, request: ChatRequest) -> None:
    turns = [message for message in request.messages if message.role in ("user", "assistant")]
    sent = [
        piece["text"]
        for turn in turns_of(wire, request)
        for piece in pieces_of(turn)
        if "text" in piece and not piece.get("thought")
    ]
    assert is_within(texts_of(turns), sent)
    systems = [message for message in request.messages if message.role == "system"]
    assert is_within(texts_of(systems), list(values(body_of(wire, request))))


@FORMATS
@given(request=requests())
def test_every_call_keeps_its_arguments_and_its_answer(wire: Format, request: ChatRequest) -> None:
    parts = [part for message in request.messages for part in message.parts]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    answers = [part for part in parts if isinstance(part, ToolResult)]
    sent = [piece for turn in turns_of(wire, request) for piece in pieces_of(turn)]
    if wire.name == "anthropic":
        uses = [piece for piece in sent if piece["type"] == "tool_use"]
        arguments = [use["input"] for use in uses]
        results = [piece for piece in sent if piece["type"] == "tool_result"]
        ids = [use["id"] for use in uses]
        assert ids == [result["tool_use_id"] for result in results]
        assert len(set(ids)) == len(ids)  # a repeated id is a 400
        texts = [result["content"][0]["text"] for result in results]
    else:
        made = [piece["functionCall"] for piece in sent if "functionCall" in piece]
        arguments = [call["args"] for call in made]
        responses = [piece["functionResponse"] for piece in sent if "functionResponse" in piece]
        named = [(call["id"], call["name"]) for call in made]
        assert named == [(response["id"], response["name"]) for response in responses]
        texts = [response["response"]["output"] for response in responses]
    assert arguments == [msgspec.json.decode(call.arguments) for call in calls]
    assert texts == ["".join(t.text for t in a.content if isinstance(t, Text)) for a in answers]


@FORMATS
@given(request=requests())
def test_opaque_data_goes_to_its_vendor_only(wire: Format, request: ChatRequest) -> None:
    body = wire.encode(request, CARD, stream=False).body
    for vendor in VENDORS:
        if vendor != wire.name:
            assert f'"{vendor}!'.encode() not in body


@FORMATS
@given(request=requests())
def test_roles_alternate_from_the_user_to_the_user(wire: Format, request: ChatRequest) -> None:
    roles = [turn["role"] for turn in turns_of(wire, request)]
    assert roles[0] == "user"
    assert roles[-1] == "user"  # the card has no prefill
    assert all(one != other for one, other in pairwise(roles))
    assert all(pieces_of(turn) for turn in turns_of(wire, request))


@FORMATS
@given(request=requests())
def test_results_stand_before_anything_else_of_their_turn(
    wire: Format, request: ChatRequest
) -> None:
    for turn in turns_of(wire, request):
        is_result = [
            piece.get("type") == "tool_result" or "functionResponse" in piece
            for piece in pieces_of(turn)
        ]
        assert is_result == sorted(is_result, reverse=True)


@FORMATS
@given(request=requests())
def test_encoding_changes_nothing_and_repeats_exactly(wire: Format, request: ChatRequest) -> None:
    before = deepcopy(request)
    first = wire.encode(request, CARD, stream=True)
    assert request == before
    assert wire.encode(request, CARD, stream=True) == first  # prompt caches need the same bytes


@FORMATS
@pytest.mark.parametrize("stream", [True, False])
def test_a_prefill_for_a_model_without_it_is_our_mistake(wire: Format, stream: bool) -> None:
    asked = (Message(role="user", parts=(Text(text="Hi"),)),)
    request = ChatRequest(model="auto", messages=asked, prefill="Hello")
    with pytest.raises(AssertionError, match="here/model does not take a prefill"):
        wire.encode(request, CARD, stream=stream)
