"""Requests for tests, in one line."""

from models.chat import ChatRequest, Media, Message, Part, Role, Text, ToolResult


def turn(role: Role, *parts: str | Part) -> Message:
    """A message whose strings are text parts."""
    return Message(role=role, parts=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))


def request(*messages: Message) -> ChatRequest:
    """A request with these turns."""
    return ChatRequest(model="auto", messages=messages)


def user(text: str) -> ChatRequest:
    """A request of a single user turn."""
    return request(turn("user", text))


IMAGE = Media(kind="image", media_type="image/png", data="aGk=")
RESULT = ToolResult(call_id="c1", content=(Text(text="file contents"),))
