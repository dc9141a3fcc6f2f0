"""The OpenAI dialect's frames, as recorded from OpenAI, DeepSeek and vLLM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from models.chat import Json
from models.stream import Usage
from tests.fakes.frames.base import (
    Frame,
    Frames,
    Said,
    Token,
    argument_pieces,
    filled,
    recorded_body,
    recorded_events,
)

_TOOL = "deepseek/stream-tools"


@dataclass(frozen=True, slots=True)
class OpenAiFrames(Frames):
    """`POST …/chat/completions` as one host words it, after recordings of it.

    text: a stream; `thinks`: one that thinks aloud first, in `reasoning_field`; `whole`: a body.
    Usage comes with the finish, or in a chunk without choices where the stream has one; that one
    is sent only when asked for.
    """

    text: str
    thinks: str
    whole: str
    reasoning_field: str

    @override
    def stream(self, said: Said) -> Iterator[Frame]:
        """The role, the deltas, the finish, the usage, `[DONE]`."""
        first, delta, finish, usage = self._templates(said)
        yield _frame(first)
        for piece in said.reasoning:
            yield _frame(filled(delta, self._delta({self.reasoning_field: piece}, said)))
        for token in said.text:
            event = filled(delta, self._delta({"content": token.text}, said))
            if said.logprobs:
                event["choices"][0]["logprobs"] = {"content": _logprobs(token)}
            yield _frame(event, len(token.text))
        for calls in _tool_deltas(said):
            yield _frame(filled(delta, {"choices.0.delta": {"tool_calls": calls}}))
        yield _frame(finish)
        if usage is not None and said.include_usage:
            yield _frame(usage)
        yield Frame(b"data: [DONE]\n\n")

    @override
    def body(self, said: Said) -> bytes:
        """One choice with the whole message."""
        recorded = recorded_body(self.whole)
        message = {**recorded["choices"][0]["message"], "content": said.whole_text or None}
        if said.reasoning:
            message[self.reasoning_field] = "".join(said.reasoning)
        if said.tool_calls:
            message["tool_calls"] = [
                {
                    "index": index,
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for index, call in enumerate(said.tool_calls)
            ]
        logprobs = [entry for token in said.text for entry in _logprobs(token)]
        values = {
            "model": said.model,
            "choices.0.message": message,
            "choices.0.logprobs": {"content": logprobs} if said.logprobs else None,
            "choices.0.finish_reason": said.finish,
            "usage": _usage(recorded["usage"], said.usage),
        }
        return json.dumps(filled(recorded, values), ensure_ascii=False).encode()

    def _templates(self, said: Said) -> tuple[Json, Json, Json, Json | None]:
        """The first chunk, one with a delta, the one with the finish, and the usage's own."""
        recorded = recorded_events(self.thinks if said.reasoning else self.text)
        events = [filled(event, {"model": said.model}) for event in recorded]
        counted = next(event for event in reversed(events) if event.get("usage"))
        counted["usage"] = _usage(counted["usage"], said.usage)
        own_chunk = not counted["choices"]
        if own_chunk and not said.include_usage:
            for event in events:
                event.pop("usage", None)
        finish = next(e for e in events if e["choices"] and e["choices"][0]["finish_reason"])
        finish["choices"][0]["finish_reason"] = said.finish
        if not said.logprobs:
            for event in (events[1], finish):
                event["choices"][0]["logprobs"] = None
        return events[0], events[1], finish, counted if own_chunk else None

    def _delta(self, content: Json, said: Said) -> dict[str, Json]:
        """A delta, with the other of the two fields null in a reply that also thinks."""
        absent = {"content": None, self.reasoning_field: None} if said.reasoning else {}
        return {"choices.0.delta": {**absent, **content}}


_GPT, _VLLM = "openai/chat-stream-text-gpt4o", "vllm/chat-stream-logprobs-usage"
_FLASH, _THINKER = "deepseek/stream-text", "deepseek/stream-reasoner"
OPENAI = OpenAiFrames(_GPT, _GPT, "deepseek/json-text", "reasoning_content")
DEEPSEEK = OpenAiFrames(_FLASH, _THINKER, "deepseek/json-text", "reasoning_content")
VLLM = OpenAiFrames(_VLLM, _VLLM, "vllm/chat-json", "reasoning")


def _tool_deltas(said: Said) -> Iterator[list[Json]]:
    """The first delta of a call names it, the others carry its arguments."""
    events = [event["choices"][0]["delta"].get("tool_calls") for event in recorded_events(_TOOL)]
    first, further = [calls[0] for calls in events if calls][:2]
    for index, call in enumerate(said.tool_calls):
        yield [filled(first, {"index": index, "id": call.id, "function.name": call.name})]
        for piece in argument_pieces(call):
            yield [filled(further, {"index": index, "function.arguments": piece})]


def _logprobs(token: Token) -> list[Json]:
    return [
        {"token": text, "logprob": logprob, "bytes": list(text.encode()), "top_logprobs": []}
        for text, logprob in token.logprobs
    ]


def _usage(recorded: Json, usage: Usage) -> Json:
    """The counts in the fields that the host has."""
    counts: dict[str, Json] = {
        **recorded,
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            **(recorded.get("prompt_tokens_details") or {}),
            "cached_tokens": usage.cache_read,
        },
    }
    if usage.reasoning:
        counts["completion_tokens_details"] = {
            **(recorded.get("completion_tokens_details") or {}),
            "reasoning_tokens": usage.reasoning,
        }
    if "prompt_cache_hit_tokens" in recorded:  # DeepSeek
        counts["prompt_cache_hit_tokens"] = usage.cache_read
        counts["prompt_cache_miss_tokens"] = usage.input - usage.cache_read
    return counts


def _frame(event: Json, chars: int = 0) -> Frame:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return Frame(f"data: {text}\n\n".encode(), chars)
