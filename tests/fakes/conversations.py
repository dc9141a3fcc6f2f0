"""Conversations made by Hypothesis: any mixture of turns, calls, results, thoughts and media."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal, cast

from hypothesis import strategies as st

from models.chat import (
    ChatRequest,
    Json,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

VENDORS = ("anthropic", "gemini", "openai")

_KINDS = ("signature", "redacted_thinking", "thought_signature", "text_signature", "x")
_MEDIA: tuple[Literal["image", "document"], ...] = ("image", "document")

_letters = st.characters(exclude_categories=["Cs"])
# The first letter keeps a text from being blank, or JSON.
_texts = st.text(_letters, max_size=20).map(lambda text: f"t{text}.")
_scalars = st.none() | st.booleans() | st.integers() | st.text(_letters, max_size=8)
_arguments = st.dictionaries(st.text(_letters, max_size=8), _scalars, max_size=3)


@st.composite
def _opaques(draw: st.DrawFn) -> tuple[Opaque, ...]:
    """Secrets that begin with the name of the one who may see them."""
    owners = draw(st.lists(st.sampled_from(VENDORS), max_size=3))
    return tuple(
        Opaque(
            vendor=owner,
            kind=draw(st.sampled_from(_KINDS)),
            value=f"{owner}!{draw(st.integers(0, 99))}",
        )
        for owner in owners
    )


@st.composite
def _said(draw: st.DrawFn) -> Part:
    return Text(text=draw(_texts))


@st.composite
def _thought(draw: st.DrawFn) -> Part:
    return Reasoning(text=draw(_texts), opaque=draw(_opaques()))


@st.composite
def _shown(draw: st.DrawFn) -> Part:
    return Media(kind=draw(st.sampled_from(_MEDIA)), data="aGVsbG8=")


@st.composite
def _turn(draw: st.DrawFn) -> list[Message]:
    role: Role = draw(st.sampled_from(("system", "user", "assistant")))
    pieces: dict[Role, st.SearchStrategy[Part]] = {
        "system": _said(),
        "user": _said() | _shown(),
        "assistant": _said() | _thought(),
    }
    return [Message(role=role, parts=tuple(draw(st.lists(pieces[role], max_size=3))))]


@st.composite
def _call_turns(draw: st.DrawFn) -> list[Message]:
    """An assistant turn with calls, and the turn that answers them; ids begin anew each time."""
    calls = [
        ToolCall(
            id=f"call.{number}",
            name=draw(st.sampled_from(("look", "find"))),
            arguments=json.dumps(draw(_arguments)),
            opaque=draw(_opaques()),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    before = draw(st.lists(_said() | _thought(), max_size=2))
    results = [ToolResult(call_id=c.id, content=(Text(text=draw(_texts)),)) for c in calls]
    return [
        Message(role="assistant", parts=(*before, *calls)),
        Message(role="tool", parts=tuple(results)),
    ]


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A request whose last turn may be anybody's."""
    turns = draw(st.lists(_turn() | _call_turns(), max_size=6))
    look = Tool(name="look", parameters={"properties": {}})
    return ChatRequest(
        model="auto",
        messages=tuple(message for turn in turns for message in turn),
        tools=(look,) if draw(st.booleans()) else (),
    )


def turn(role: Role, *parts: Part | str) -> Message:
    """One turn, with plain strings for texts."""
    return Message(role=role, parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))


def values(body: Json) -> Iterator[Json]:
    """Every scalar of a JSON value, in order."""
    if isinstance(body, dict):
        for value in cast("dict[str, Json]", body).values():
            yield from values(value)
    elif isinstance(body, list):
        for value in cast("list[Json]", body):
            yield from values(value)
    else:
        yield body
