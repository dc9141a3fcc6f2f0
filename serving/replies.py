"""Answers as ASGI replies: the client is watched, and its leaving ends all work at once.

A reply starts when the first events are there, so that what fails before is a real HTTP error.
Each reply costs two tasks, the answer and the watch; none is made per token.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from models.errors import EngineError, HeadstartError
from models.stream import (
    Failed,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallStarted,
)
from router.outcome import Outcome
from router.router import Answer
from serving.dialects import sse
from serving.dialects.base import BodyRenderer, Dialect, StreamRenderer
from serving.errors import error_response, internal_error

_STOPPING: Final = EngineError("Headstart is stopping. Ask again in a moment.")
QUIET: Final = 10.0  # seconds without anything to show, after which a keep-alive is sent
_STREAM_HEADERS: Final = {
    "content-type": sse.CONTENT_TYPE,
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold the stream back otherwise
}
_BODY_HEADERS: Final = {"content-type": "application/json"}
_SHOWN: Final = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallStarted)


class AnswerReply(Response):
    """What streamed and whole replies share."""

    def __init__(self, answer: Answer, dialect: Dialect, *, quiet: float = QUIET) -> None:
        """Take the answer; nothing runs and nothing is sent before the call.

        `quiet`: how long nothing may be sent before a keep-alive is.
        """
        super().__init__()
        self._answer = answer
        self._dialect = dialect
        self._quiet = quiet

    @abstractmethod
    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the end, or until the client leaves."""

    async def _refuse(
        self, failure: HeadstartError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        reply = error_response(failure, self._dialect)
        reply.headers.update(answer_headers(self._answer.outcome))
        await reply(scope, receive, send)


class StreamedReply(AnswerReply):
    """Server-sent events, one send per batch."""

    def __init__(
        self, answer: Answer, dialect: Dialect, renderer: StreamRenderer, *, quiet: float = QUIET
    ) -> None:
        """`renderer` turns what is said into events."""
        super().__init__(answer, dialect, quiet=quiet)
        self._renderer = renderer

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the end, or until the client leaves."""
        body = OpenBody(send, self._answer.outcome, _STREAM_HEADERS, sse.KEEP_ALIVE, self._quiet)
        work = self._run(body, scope, receive, send)
        try:
            await while_connected(work, receive, body.fill_silence)
        except asyncio.CancelledError:  # the server stops
            await self._fail(_STOPPING, body, scope, receive, send)

    async def _run(self, body: OpenBody, scope: Scope, receive: Receive, send: Send) -> None:
        failure: HeadstartError | None = None
        try:
            async with aclosing(self._answer.events) as batches:
                async for batch in batches:
                    failure = failure or failure_in(batch)
                    if data := self._renderer.render(batch):
                        await body.write(data)
        except Exception:
            failure = internal_error()
        if failure is None:
            await body.write(self._renderer.end(), last=True)
        else:
            await self._fail(failure, body, scope, receive, send)

    async def _fail(
        self,
        failure: HeadstartError,
        body: OpenBody,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if body.opened:
            await body.write(self._renderer.fail(failure), last=True)
        else:
            await self._refuse(failure, scope, receive, send)


class WholeReply(AnswerReply):
    """One body, when everything is there.

    Node's clients give up on a reply that says nothing for 300 seconds. Once something is there to
    show, the answer cannot become an error any more: then long silence is filled with line breaks,
    which JSON allows before its value.
    """

    def __init__(
        self, answer: Answer, dialect: Dialect, renderer: BodyRenderer, *, quiet: float = QUIET
    ) -> None:
        """`renderer` gathers what is to be said."""
        super().__init__(answer, dialect, quiet=quiet)
        self._renderer = renderer
        self._promised = False

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or stop when the client leaves."""
        body = OpenBody(send, self._answer.outcome, _BODY_HEADERS, b"\n", self._quiet)

        async def fill_silence() -> float:
            return await body.fill_silence() if self._promised else self._quiet

        try:
            await while_connected(self._run(body, scope, receive, send), receive, fill_silence)
        except asyncio.CancelledError:  # the server stops
            await self._end(_STOPPING, body, scope, receive, send)

    async def _run(self, body: OpenBody, scope: Scope, receive: Receive, send: Send) -> None:
        failure: HeadstartError | None = None
        try:
            async with aclosing(self._answer.events) as batches:
                async for batch in batches:
                    failure = failure or failure_in(batch)
                    self._renderer.add(batch)
                    self._promised = self._promised or any(isinstance(e, _SHOWN) for e in batch)
        except Exception:
            failure = internal_error()
        await self._end(failure, body, scope, receive, send)

    async def _end(
        self,
        failure: HeadstartError | None,
        body: OpenBody,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._promised = False  # nothing more may come between
        if body.opened:
            await body.write(self._renderer.end(), last=True)
        elif failure is not None:
            await self._refuse(failure, scope, receive, send)
        else:
            headers = answer_headers(self._answer.outcome)
            reply = Response(self._renderer.end(), headers=headers, media_type="application/json")
            await reply(scope, receive, send)


class OpenBody:
    """The sending side of a reply whose length is not known: it opens late, and fills silence."""

    def __init__(
        self,
        send: Send,
        outcome: Outcome,
        headers: Mapping[str, str],
        keep_alive: bytes,
        quiet: float,
    ) -> None:
        """Ours come from `outcome` when the reply opens: the plan is known by then."""
        self.opened = False
        self._over = False
        self._send = send
        self._outcome = outcome
        self._headers = headers
        self._keep_alive = keep_alive
        self._quiet = quiet
        self._clock = asyncio.get_running_loop().time
        self._sent_at = self._clock()
        self._lock = asyncio.Lock()  # the answer and the keep-alive both write

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send these bytes, after the headers if they are the first."""
        async with self._lock:
            if self._over:  # a keep-alive that waited while the end went out to a slow reader
                return
            self._sent_at = self._clock()
            self._over = last
            if not self.opened:
                self.opened = True
                await self._send(self._start())
            await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def fill_silence(self) -> float:
        """Send a keep-alive if it is time; returns the seconds until it may be time again."""
        left = self._sent_at + self._quiet - self._clock()
        if left > 0:
            return left
        await self.write(self._keep_alive)
        return self._quiet

    def _start(self) -> dict[str, Any]:
        headers = {**self._headers, **answer_headers(self._outcome)}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": raw}


async def while_connected(
    work: Coroutine[Any, Any, None],
    receive: Receive,
    on_silence: Callable[[], Awaitable[float]] | None = None,
) -> None:
    """Run `work` to its end; cancel it, and wait for it to unwind, when the client leaves.

    `on_silence` is asked now and then whether to say something; it returns when to ask again.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(receive))
    try:
        wait = None if on_silence is None else 0.0
        while True:
            done, _ = await asyncio.wait((task, gone), timeout=wait, return_when="FIRST_COMPLETED")
            if done:
                break
            if on_silence is not None:
                wait = await on_silence()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait((task, gone))
    if not task.cancelled():
        task.result()


def failure_in(batch: Sequence[StreamEvent]) -> HeadstartError | None:
    """The error that ends this answer, where nothing could be shown."""
    last = batch[-1] if batch else None
    return last.error if isinstance(last, Failed) else None


def answer_headers(outcome: Outcome) -> dict[str, str]:
    """Our decision as headers: ASCII, one line each."""
    headers = {"x-headstart-id": _header_safe(outcome.id)}
    if plan := outcome.plan:
        headers["x-headstart-route"] = plan.route
        headers["x-headstart-task"] = _header_safe(plan.task)
        headers["x-headstart-because"] = _header_safe(plan.because)
    return headers


def _header_safe(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.encode("ascii", "replace").decode()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
