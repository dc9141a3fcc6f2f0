"""Events rendered as a whole stream or body, for tests to read back."""

import json
from typing import Any

from models.chat import ChatRequest
from models.stream import (
    Finished,
    StreamEvent,
    Usage,
    UsageReported,
)
from router.outcome import Outcome
from serving.dialects.openai.body import CompletionRenderer
from serving.dialects.openai.render import ChunkRenderer
from tests.serving.fake_router import PLAN, legs

END: list[StreamEvent] = [UsageReported(Usage(input=3, output=2)), Finished("stop")]


def outcome() -> Outcome:
    return Outcome(
        id="req_01",
        created=1_760_000_000.5,
        dialect="openai-chat",
        requested_model="auto",
        stream=True,
    )


def finished() -> Outcome:
    done = outcome()
    done.plan = PLAN
    done.legs += legs()
    return done


def request(**options: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=(), **options)


def stream(*batches: list[StreamEvent], legacy: bool = False, **options: Any) -> bytes:
    shown = outcome()
    renderer = ChunkRenderer(request(**options), shown, legacy=legacy)
    pieces = [renderer.render(batch) for batch in batches]
    shown.plan = PLAN
    shown.legs += legs()
    return b"".join([*pieces, renderer.end()])


def body(*batches: list[StreamEvent], legacy: bool = False, **options: Any) -> dict[str, Any]:
    renderer = CompletionRenderer(request(**options), finished(), legacy=legacy)
    for batch in batches:
        renderer.add(batch)
    return json.loads(renderer.end())
