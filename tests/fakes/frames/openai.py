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
_BODY = "deepseek/json-text"


@dataclass(frozen=True, slots=True)
class OpenAiFrames(Frames):
    """`POST …/chat/completions` as one host words it.

    text: the recording whose frames are used, and `reasoning` where it thinks aloud first.
    own_usage_chunk: usage comes in a chunk without choices, and only when asked for; else it
    always comes with the finish.
    """

    text: str
    reasoning: str
    reasoning_field: str
    own_usage_chunk: bool

    @override
    def stream(self, said: Said) -> Iterator[Frame]:
        """The role, the deltas, the finish, the usage, `[DONE]`."""
        first, delta, finish = self._templates(said)
        yield _frame(first)
        for piece in said.reasoning:
            thought = self._delta({"content": None, self.reasoning_field: piece}, said)
            yield _frame(filled(delta, thought))
        for token in said.text:
            event = filled(delta, self._delta({"content": token.text}, said))
            if said.logprobs:
                event["choices"][0]["logprobs"] = {"content": _logprobs(token)}
            yield _frame(event, len(token.text))
        for calls in _tool_deltas(said):
            yield _frame(filled(delta, {"choices.0.delta": {"tool_calls": calls}}))
        usage = _usage(said.usage, detailed=not self.own_usage_chunk)
        last = filled(finish, {"choices.0.finish_reason": said.finish})
        if not self.own_usage_chunk:
            last["usage"] = usage
        yield _frame(last)
        if self.own_usage_chunk and said.include_usage:
            yield _frame({**first, "choices": [], "usage": usage})
        yield Frame(b"data: [DONE]\n\n")

    @override
    def body(self, said: Said) -> bytes:
        """One choice with the whole message."""
        message: dict[str, Json] = {"role": "assistant", "content": said.whole_text or None}
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
            "usage": _usage(said.usage, detailed=not self.own_usage_chunk),
        }
        return json.dumps(filled(recorded_body(_BODY), values), ensure_ascii=False).encode()

    def _templates(self, said: Said) -> tuple[Json, Json, Json]:
        """The first chunk, one with a delta, and the one with the finish, for this model."""
        source = self.reasoning if said.reasoning else self.text
        events = [filled(event, {"model": said.model}) for event in recorded_events(source)]
        if self.own_usage_chunk and not said.include_usage:
            for event in events:
                event.pop("usage", None)
        finish = next(e for e in events if e["choices"] and e["choices"][0]["finish_reason"])
        if finish["choices"][0]["delta"].get("content"):
            # vLLM's recorded finish carries a last token; every script sends its text before.
            finish["choices"][0]["delta"]["content"] = ""
        return events[0], events[1], finish

    def _delta(self, content: Json, said: Said) -> dict[str, Json]:
        """A delta with the other of the two fields null, where the host writes it so."""
        absent = {"content": None, self.reasoning_field: None} if said.reasoning else {}
        return {"choices.0.delta": {**absent, **content}}


OPENAI = OpenAiFrames(
    "openai/chat-stream-text-gpt4o", "openai/chat-stream-text-gpt4o", "reasoning_content", True
)
DEEPSEEK = OpenAiFrames(
    "deepseek/stream-text", "deepseek/stream-reasoner", "reasoning_content", False
)
VLLM = OpenAiFrames("local/vllm-chat-stream", "local/vllm-chat-stream", "reasoning", True)


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


def _usage(usage: Usage, *, detailed: bool) -> Json:
    counts: dict[str, Json] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if detailed:  # DeepSeek's own two
        counts["prompt_cache_hit_tokens"] = usage.cache_read
        counts["prompt_cache_miss_tokens"] = usage.input - usage.cache_read
    return counts


def _frame(event: Json, chars: int = 0) -> Frame:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return Frame(f"data: {text}\n\n".encode(), chars)
