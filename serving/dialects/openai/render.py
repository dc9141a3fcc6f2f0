"""Events as the chunks of a streamed OpenAI reply.

One chunk costs a few byte concatenations: everything that stays the same in a reply is formatted
once. Our own facts go in one unknown key, `headstart`, on the last chunk: every client ignores it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from models.chat import ChatRequest, Json
from models.errors import HeadstartError
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
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.outcome import Outcome
from serving.dialects import sse
from serving.dialects.base import coalesce
from serving.dialects.encoding import encode
from serving.dialects.openai.objects import (
    error_object,
    finish_reason,
    logprob_items,
    usage_object,
)
from serving.dialects.openai.opaque import Thoughts, extra_content
from serving.dialects.summary import summary


class ChunkRenderer:
    """A streamed reply: `chat.completion.chunk` events and `[DONE]`."""

    def __init__(self, request: ChatRequest, outcome: Outcome, *, legacy: bool) -> None:
        """Format what every chunk of this reply has in common."""
        self._request = request
        self._outcome = outcome
        self._legacy = legacy
        base = encode(
            {
                "id": f"chatcmpl-{outcome.id}",
                "object": "chat.completion.chunk",
                "created": int(outcome.created),
                "model": request.model,
            }
        )
        self._open = b"data: " + base[:-1] + b',"choices":['
        self._delta_open = self._open + b'{"index":0,"delta":{'
        # With include_usage OpenAI has the key on every chunk, null until the last.
        self._no_usage = b',"usage":null' if request.include_usage else b""
        self._close = b"]" + self._no_usage + b"}\n\n"
        self._delta_close = b'},"logprobs":null,"finish_reason":null}' + self._close
        self._role = b'"role":"assistant",'  # in the first chunk only
        self._thoughts = Thoughts(outcome)
        self._argued: set[int] = set()  # calls whose arguments began
        self._usage = Usage()
        self._finish: FinishReason = "error"

    def render(self, batch: Sequence[StreamEvent]) -> bytes:
        """One chunk for each run of like events."""
        return b"".join([self._chunk(event) for event in coalesce(batch)])

    def end(self) -> bytes:
        """The finish chunk, the usage chunk if asked for, and `[DONE]`."""
        reason = finish_reason(self._finish, legacy=self._legacy)
        ours = b',"headstart":' + encode(summary(self._outcome)) + b"}\n\n"
        choice = b'{"index":0,"delta":{%s},"logprobs":null,"finish_reason":%s}' % (
            self._role_once()[:-1],
            encode(reason),
        )
        if not self._request.include_usage:
            return self._open + choice + b"]" + ours + sse.DONE
        usage = b'],"usage":' + encode(usage_object(self._usage))
        return self._open + choice + self._close + self._open + usage + ours + sse.DONE

    def fail(self, error: HeadstartError) -> bytes:
        """An error object, then `[DONE]`; after shown text a finish, since some clients loop on less."""
        if not self._role:
            return self.end()
        return sse.data(encode({"error": error_object(error)})) + sse.DONE

    def _chunk(self, event: StreamEvent) -> bytes:
        match event:
            case TextDelta():
                return self._text(event)
            case ReasoningDelta():
                return self._reasoning(event)
            case RefusalDelta(text=text):
                return self._delta(b'"refusal":' + encode(text))
            case Replaced(start=start):
                return self._replace(start)
            case ToolCallStarted() | ToolArgsDelta() | ToolCallEnded():
                return self._tool(event)
            case UsageReported() | Finished():
                return self._keep_for_the_end(event)
            case Started() | Alive() | Failed():
                return b""
            case _:
                assert_never(event)

    def _keep_for_the_end(self, event: UsageReported | Finished) -> bytes:
        if isinstance(event, UsageReported):
            self._usage = event.usage
        else:
            self._finish = event.reason
        return b""

    def _delta(self, fields: bytes) -> bytes:
        return self._delta_open + self._role_once() + fields + self._delta_close

    def _role_once(self) -> bytes:
        role, self._role = self._role, b""
        return role

    def _text(self, event: TextDelta) -> bytes:
        content = b'"content":' + encode(event.text)
        if not (self._request.logprobs and event.logprobs):
            return self._delta(content)
        logprobs = encode({"content": logprob_items(event.logprobs), "refusal": None})
        close = b'},"logprobs":' + logprobs + b',"finish_reason":null}' + self._close
        return self._delta_open + self._role_once() + content + close

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        fields = [b'"reasoning_content":' + encode(event.text)] if event.text else []
        if items := self._thoughts.add(event):
            fields.append(b'"reasoning_details":' + encode(items))
        return self._delta(b",".join(fields)) if fields else b""

    def _replace(self, start: int) -> bytes:
        """An empty chunk whose `headstart` key tells a client that asked for it what is void."""
        ours = b',"headstart":{"replace_from":%d}' % start
        return self._delta(b'"content":""').removesuffix(b"}\n\n") + ours + b"}\n\n"

    def _tool(self, event: ToolCallStarted | ToolArgsDelta | ToolCallEnded) -> bytes:
        match event:
            case ToolCallStarted():
                return self._tool_call(event)
            case ToolArgsDelta():
                return self._tool_arguments(event)
            case ToolCallEnded(index=index) if index not in self._argued:
                return self._tool_arguments(ToolArgsDelta(index, "{}"))  # clients parse the text
            case ToolCallEnded():
                return b""

    def _tool_call(self, event: ToolCallStarted) -> bytes:
        if self._legacy:
            return self._delta(b'"function_call":' + encode({"name": event.name, "arguments": ""}))
        call: dict[str, Json] = {
            "index": event.index,
            "id": event.id,
            "type": "function",
            "function": {"name": event.name, "arguments": ""},
        }
        if extra := extra_content(event.opaque):
            call["extra_content"] = extra
        return self._delta(b'"tool_calls":[' + encode(call) + b"]")

    def _tool_arguments(self, event: ToolArgsDelta) -> bytes:
        self._argued.add(event.index)
        text = encode(event.text)
        if self._legacy:
            return self._delta(b'"function_call":{"arguments":' + text + b"}")
        return self._delta(
            b'"tool_calls":[{"index":%d,"function":{"arguments":%s}}]' % (event.index, text)
        )
