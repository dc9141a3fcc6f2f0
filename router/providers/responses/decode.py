"""Reads Responses replies, streamed or whole, into events."""

from __future__ import annotations

import msgspec

from models.chat import Json, Opaque
from models.errors import BadReply, ProviderError, ProviderServerError, StreamBroken
from models.stream import (
    Alive,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    UsageReported,
)
from router.providers.arguments import UNREADABLE
from router.providers.openai.errors import describes_error, error_from_payload
from router.providers.openai.wire import Logprobs, logprobs_of
from router.providers.responses.wire import (
    Event,
    Item,
    Part,
    Response,
    decode_event,
    decode_item,
    decode_response,
    usage_of,
)
from router.providers.sse import ServerSentEvent, SseReader
from router.providers.toolcalls import ToolCalls

_INCOMPLETE: dict[str, FinishReason] = {"content_filter": "content_filter"}  # others: length


class ResponsesDecoder:
    """One reply. Only `response.completed`, `incomplete` or `failed` ends it."""

    __slots__ = ("_calls", "_ended", "_part", "_reader", "_started")

    def __init__(self) -> None:
        """A fresh reader."""
        self._reader = SseReader()
        self._started = False
        self._ended = False
        self._calls = ToolCalls()
        self._part: list[str] = []  # what came of the text part that is open

    @property
    def answered(self) -> bool:
        """True once the last event came: it has the reason and the usage."""
        return self._ended

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Events that these bytes complete."""
        out: list[StreamEvent] = []
        if self._ended:
            return out
        comments = self._reader.comments
        try:
            events = self._reader.feed(data)
        except BadReply as error:
            self._fail(error, out)
            return out
        for event in events:
            self._read(event, out)
            if self._ended:
                return out
        if not out and (events or self._reader.comments > comments):
            out.append(Alive())
        return out

    def close(self) -> list[StreamEvent]:
        """The connection ended, which is a failure unless the last event says otherwise."""
        out: list[StreamEvent] = []
        for event in [] if self._ended else self._reader.close():
            try:
                self._event(decode_event(event.data), event.data, out)
            except UNREADABLE:
                continue  # cut off
        if not self._ended:
            self._fail(StreamBroken("The stream ended before the response was complete."), out)
            return out
        return out

    def whole(self, body: bytes) -> list[StreamEvent]:
        """A reply that is not a stream."""
        out: list[StreamEvent] = []
        try:
            response = decode_response(body)
            if response.output is None:
                self._no_response(msgspec.json.decode(body), out)
                return out
            self._start(response, out)
            for number, raw in enumerate(response.output):
                self._whole_item(number, raw, out)
        except UNREADABLE:
            self._fail(BadReply("The reply is not a response object."), out)
            return out
        self._end(response, out)
        return out

    def _read(self, event: ServerSentEvent, out: list[StreamEvent]) -> None:
        try:
            self._event(decode_event(event.data), event.data, out)
        except UNREADABLE:
            if event.data.strip() not in (b"", b"[DONE]"):  # OpenRouter ends with a mark
                self._fail(BadReply("A data line of the stream is not a response event."), out)

    def _event(self, event: Event, data: bytes, out: list[StreamEvent]) -> None:
        match event.type:
            case "response.output_text.delta":
                self._text(str(event.delta or ""), event, out)
            case "response.output_text.done":
                self._all_text(str(event.text or ""), out)
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                out.append(ReasoningDelta(str(event.delta or "")))
            case "response.refusal.delta":
                out.append(RefusalDelta(str(event.delta or "")))
            case "response.function_call_arguments.delta":
                self._calls.add(_key(event), str(event.delta or ""), out)
            case "response.function_call_arguments.done":
                self._all_arguments(_key(event), event.arguments, out)
            case "response.reasoning_summary_part.added":
                if event.summary_index:
                    out.append(ReasoningDelta("\n\n"))
            case "response.output_item.added" | "response.output_item.done":
                self._item(event, out)
            case _:
                self._about_all(event, data, out)

    def _about_all(self, event: Event, data: bytes, out: list[StreamEvent]) -> None:
        match event.type:
            case "response.created" | "response.in_progress":
                self._start(event.response or Response(), out)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(event.response or Response(), out)
            case "error":
                payload: Json = msgspec.json.decode(data)
                self._fail(error_from_payload(event.error or payload), out)
            case _:
                if event.error is not None:
                    self._fail(error_from_payload({"error": event.error}), out)

    def _item(self, event: Event, out: list[StreamEvent]) -> None:
        item = decode_item(event.item)
        done = event.type == "response.output_item.done"
        if item.type == "function_call":
            key = item.id or event.output_index
            self._calls.open(key, out, id=item.call_id or "", name=item.name or "")
            if done:
                self._all_arguments(key, item.arguments, out)
        elif done:
            _seal(item, event.item, out)

    def _whole_item(self, number: int, raw: msgspec.Raw, out: list[StreamEvent]) -> None:
        item = decode_item(raw)
        match item.type:
            case "message":
                for part in item.content or ():
                    _content(part, out)
            case "reasoning":
                text = _joined(item.content, "") or _joined(item.summary, "\n\n")
                if text:
                    out.append(ReasoningDelta(text))
                _seal(item, raw, out)
            case "function_call":
                self._calls.open(number, out, id=item.call_id or "", name=item.name or "")
                self._calls.add(number, item.arguments or "", out)
            case _:
                pass  # tools that run at the provider: nothing the client could answer

    def _text(self, text: str, event: Event, out: list[StreamEvent]) -> None:
        if text:
            self._part.append(text)
            logprobs = logprobs_of(Logprobs(event.logprobs)) if event.logprobs else ()
            out.append(TextDelta(text, logprobs))

    def _all_text(self, text: str, out: list[StreamEvent]) -> None:
        """The whole part once more: what no delta brought is still owed."""
        said = "".join(self._part)
        self._part.clear()
        if len(text) > len(said) and text.startswith(said):
            out.append(TextDelta(text[len(said) :]))

    def _all_arguments(self, key: object, arguments: str | None, out: list[StreamEvent]) -> None:
        """LM Studio sends no deltas, only the whole."""
        if arguments and not self._calls.arguments(key):
            self._calls.add(key, arguments, out)

    def _start(self, response: Response, out: list[StreamEvent]) -> None:
        if not self._started:
            self._started = True
            out.append(Started(response.id or "", response.model or ""))

    def _end(self, response: Response, out: list[StreamEvent]) -> None:
        self._start(response, out)
        if response.usage is not None:
            out.append(UsageReported(usage_of(response.usage)))
        status = response.status or ""
        cut = status != "completed"
        whole = self._calls.finish(out, cut=cut)
        if status == "incomplete":
            raw = (response.incomplete_details and response.incomplete_details.reason) or status
            self._finish(_INCOMPLETE.get(raw, "length"), raw, out)
        elif cut:
            self._fail(_broken(response), out)
        elif not whole:
            self._fail(BadReply("The arguments of a tool call are not a JSON object."), out)
        else:
            self._finish("tool_calls" if self._calls else "stop", status, out)

    def _no_response(self, payload: Json, out: list[StreamEvent]) -> None:
        if describes_error(payload):
            self._fail(error_from_payload(payload), out)
        else:
            self._fail(BadReply("The reply is not a response object."), out)

    def _finish(self, reason: FinishReason, raw: str, out: list[StreamEvent]) -> None:
        self._ended = True
        out.append(Finished(reason, raw))

    def _fail(self, error: ProviderError, out: list[StreamEvent]) -> None:
        self._ended = True
        out.append(Failed(error))


def _key(event: Event) -> object:
    return event.item_id or event.output_index


def _broken(response: Response) -> ProviderError:
    if response.error is not None:
        return error_from_payload({"error": response.error})
    return ProviderServerError(f"The response ended with status `{response.status or 'unknown'}`.")


def _content(part: Part, out: list[StreamEvent]) -> None:
    if part.refusal:
        out.append(RefusalDelta(part.refusal))
    elif part.text:
        out.append(TextDelta(part.text, logprobs_of(Logprobs(part.logprobs))))


def _seal(item: Item, raw: msgspec.Raw, out: list[StreamEvent]) -> None:
    """Encrypted thinking goes back whole. Without it an item is only known to a provider that stores."""
    if item.type == "reasoning" and item.encrypted_content:
        value: Json = msgspec.json.decode(raw)
        out.append(ReasoningDelta(opaque=Opaque(vendor="responses", kind="reasoning", value=value)))


def _joined(parts: list[Part] | None, between: str) -> str:
    return between.join(part.text for part in parts or () if part.text)
