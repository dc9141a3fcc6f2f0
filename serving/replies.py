"""Answers as ASGI replies: the client is watched, and its leaving ends all work at once.

A reply starts when the first events are there, so that what fails before is a real HTTP error.
Each reply costs two tasks, the answer and the watch; none is made per token.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from models.errors import EngineError, HeadstartError
from models.stream import Failed, StreamEvent
from router.outcome import Outcome
from router.router import Answer
from serving.dialects import sse
from serving.dialects.base import BodyRenderer, Dialect, StreamRenderer
from serving.errors import error_response, internal_error

_STOPPING: Final = EngineError("Headstart is stopping. Ask again in a moment.")
QUIET: Final = 10.0  # seconds without anything to show, after which a keep-alive is sent


class AnswerReply(Response):
    """What streamed and whole replies share."""

    def __init__(self, answer: Answer, dialect: Dialect) -> None:
        """Take the answer; nothing runs and nothing is sent before the call."""
        super().__init__()
        self._answer = answer
        self._dialect = dialect

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
        """`quiet`: how long nothing may be sent before a keep-alive is."""
        super().__init__(answer, dialect)
        self._renderer = renderer
        self._quiet = quiet

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the end, or until the client leaves."""
        stream = EventStream(send, self._answer.outcome, self._quiet)
        work = self._run(stream, scope, receive, send)
        try:
            await while_connected(work, receive, stream.fill_silence)
        except asyncio.CancelledError:  # the server stops
            await self._fail(_STOPPING, stream, scope, receive, send)

    async def _run(self, stream: EventStream, scope: Scope, receive: Receive, send: Send) -> None:
        failure: HeadstartError | None = None
        try:
            async with aclosing(self._answer.events) as batches:
                async for batch in batches:
                    failure = failure or failure_in(batch)
                    if data := self._renderer.render(batch):
                        await stream.write(data)
        except Exception:
            failure = internal_error()
        if failure is None:
            await stream.write(self._renderer.end(), last=True)
        else:
            await self._fail(failure, stream, scope, receive, send)

    async def _fail(
        self,
        failure: HeadstartError,
        stream: EventStream,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if stream.opened:
            await stream.write(self._renderer.fail(failure), last=True)
        else:
            await self._refuse(failure, scope, receive, send)


class WholeReply(AnswerReply):
    """One body, when everything is there."""

    def __init__(self, answer: Answer, dialect: Dialect, renderer: BodyRenderer) -> None:
        """`renderer` gathers what is to be said."""
        super().__init__(answer, dialect)
        self._renderer = renderer

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or stop when the client leaves."""
        try:
            await while_connected(self._run(scope, receive, send), receive)
        except asyncio.CancelledError:  # the server stops
            await self._refuse(_STOPPING, scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        failure: HeadstartError | None = None
        try:
            async with aclosing(self._answer.events) as batches:
                async for batch in batches:
                    failure = failure or failure_in(batch)
                    self._renderer.add(batch)
        except Exception:
            failure = internal_error()
        if failure is not None:
            await self._refuse(failure, scope, receive, send)
            return
        headers = answer_headers(self._answer.outcome)
        reply = Response(self._renderer.end(), headers=headers, media_type="application/json")
        await reply(scope, receive, send)


class EventStream:
    """The sending side of one streamed reply: it opens late, and fills long silence."""

    def __init__(self, send: Send, outcome: Outcome, quiet: float) -> None:
        """Headers are read from `outcome` when the reply opens: the plan is known by then."""
        self.opened = False
        self._send = send
        self._outcome = outcome
        self._quiet = quiet
        self._clock = asyncio.get_running_loop().time
        self._sent_at = self._clock()
        self._lock = asyncio.Lock()  # the answer and the keep-alive both write

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send these bytes, after the headers if they are the first."""
        async with self._lock:
            self._sent_at = self._clock()
            if not self.opened:
                self.opened = True
                await self._send(self._start())
            await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def fill_silence(self) -> float:
        """Send a keep-alive if it is time; returns the seconds until it may be time again."""
        left = self._sent_at + self._quiet - self._clock()
        if left > 0:
            return left
        await self.write(sse.KEEP_ALIVE)
        return self._quiet

    def _start(self) -> dict[str, Any]:
        headers = {
            "content-type": sse.CONTENT_TYPE,
            "cache-control": "no-cache",
            "x-accel-buffering": "no",  # nginx would hold the stream back otherwise
            **answer_headers(self._outcome),
        }
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
