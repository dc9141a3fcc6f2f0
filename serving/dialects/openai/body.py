"""Events as one whole OpenAI reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from models.chat import ChatRequest, Json
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Replaced,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.outcome import Outcome
from serving.dialects.encoding import encode
from serving.dialects.openai.objects import (
    finish_reason,
    logprob_items,
    usage_object,
)
from serving.dialects.openai.opaque import Thoughts, extra_content
from serving.dialects.summary import summary


class CompletionRenderer:
    """A `chat.completion` body."""

    def __init__(self, request: ChatRequest, outcome: Outcome, *, legacy: bool) -> None:
        """Start with nothing said."""
        self._request = request
        self._outcome = outcome
        self._legacy = legacy
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._thoughts = Thoughts(outcome)
        self._details: list[Json] = []
        self._calls: dict[int, ToolCallStarted] = {}
        self._arguments: dict[int, list[str]] = {}
        self._logprobs: list[TokenLogprob] = []
        self._usage = Usage()
        self._finish: FinishReason = "error"

    def add(self, batch: Sequence[StreamEvent]) -> None:
        """Take these events in."""
        for event in batch:
            match event:
                case TextDelta(text=text, logprobs=logprobs):
                    self._text.append(text)
                    self._logprobs.extend(logprobs)
                case ReasoningDelta():
                    self._reasoning.append(event.text)
                    self._details += self._thoughts.add(event)
                case RefusalDelta(text=text):
                    self._refusal.append(text)
                case Replaced(start=start):
                    self._text = ["".join(self._text)[:start]]
                case ToolCallStarted() | ToolArgsDelta() | ToolCallEnded():
                    self._tool(event)
                case UsageReported(usage=usage):
                    self._usage = usage
                case Finished(reason=reason):
                    self._finish = reason
                case Started() | Alive() | Failed():
                    pass
                case _:
                    assert_never(event)

    def end(self) -> bytes:
        """The whole reply."""
        choice = {
            "index": 0,
            "message": self._message(),
            "logprobs": self._logprobs_object(),
            "finish_reason": finish_reason(self._finish, legacy=self._legacy),
        }
        return encode(
            {
                "id": f"chatcmpl-{self._outcome.id}",
                "object": "chat.completion",
                "created": int(self._outcome.created),
                "model": self._request.model,
                "choices": [choice],
                "usage": usage_object(self._usage),
                "headstart": summary(self._outcome),
            }
        )

    def _tool(self, event: ToolCallStarted | ToolArgsDelta | ToolCallEnded) -> None:
        if isinstance(event, ToolCallStarted):
            self._calls[event.index] = event
        elif isinstance(event, ToolArgsDelta):
            self._arguments.setdefault(event.index, []).append(event.text)

    def _message(self) -> dict[str, Json]:
        silent = not self._text and (self._calls or self._refusal)
        message: dict[str, Json] = {
            "role": "assistant",
            "content": None if silent else "".join(self._text),
            "refusal": "".join(self._refusal) or None,
        }
        if reasoning := "".join(self._reasoning):
            message["reasoning_content"] = reasoning
        if self._details:
            message["reasoning_details"] = self._details
        calls = [self._call(index) for index in sorted(self._calls)]
        if calls and self._legacy:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        return message

    def _call(self, index: int) -> dict[str, Json]:
        started = self._calls[index]
        call: dict[str, Json] = {
            "id": started.id,
            "type": "function",
            "function": {
                "name": started.name,
                "arguments": "".join(self._arguments.get(index, ())) or "{}",
            },
        }
        if extra := extra_content(started.opaque):
            call["extra_content"] = extra
        return call

    def _logprobs_object(self) -> dict[str, Json] | None:
        if not (self._request.logprobs and self._logprobs):
            return None
        return {"content": logprob_items(self._logprobs), "refusal": None}
