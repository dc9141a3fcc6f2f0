"""A scripted upstream over a real socket, the provider that asks it, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from typing_extensions import override

from models.card import ModelCard
from models.chat import ChatRequest, Message, Text
from models.errors import ProviderError
from models.stream import Failed, Finished, StreamEvent, TextDelta
from router.providers.base import WireFormat
from router.providers.http import HttpProvider
from router.providers.openai import OpenAIFormat
from tests.fakes.wire import Received, Send, Step, WireServer

KEY = "sk-very-secret-0123456789"
CARD = ModelCard(provider="host", id="some-model")
ASK = ChatRequest(model="auto", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
CHUNK = (
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"},'
    b'"finish_reason":%s}]}\n\n'
)
HELLO = CHUNK % (b"Hello", b"null")
FINISH = CHUNK % (b"", b'"stop"')
SSE = "text/event-stream; charset=utf-8"


class Scripted(WireServer):
    """Answers every request with the same steps."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self.steps = steps

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        return self.steps


def head(status: int = 200, kind: str = SSE, *extra: str) -> Send:
    lines = [f"HTTP/1.1 {status} X", "transfer-encoding: chunked", *extra]
    if kind:
        lines.append(f"content-type: {kind}")
    return Send("\r\n".join([*lines, "", ""]).encode())


def body(data: bytes) -> Send:
    return Send(b"%x\r\n%s\r\n" % (len(data), data))


END = Send(b"0\r\n\r\n")


def provider(
    server: WireServer,
    *,
    wire: WireFormat = OpenAIFormat(),  # noqa: B008 - frozen
    key: str = KEY,
    connect: float = 2.0,
    grace: float = 1.0,
) -> HttpProvider:
    return HttpProvider(
        "host",
        wire,
        base_url=f"{server.origin}/v1/",
        api_key=key,
        connect=connect,
        grace=grace,
    )


async def ask(upstream: HttpProvider, *, streaming: bool = True) -> list[StreamEvent]:
    try:
        batches = [list(b) async for b in upstream.stream(ASK, CARD, streaming=streaming)]
    finally:
        await upstream.aclose()
    assert all(batches), "an empty batch"
    return [event for batch in batches for event in batch]


async def ask_for(*steps: Step, streaming: bool = True) -> list[StreamEvent]:
    async with Scripted(*steps) as server:
        return await ask(provider(server), streaming=streaming)


def text(events: Iterable[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def failure(events: Sequence[StreamEvent]) -> ProviderError:
    last = events[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, ProviderError)
    assert not any(isinstance(event, Finished | Failed) for event in events[:-1])
    return last.error
