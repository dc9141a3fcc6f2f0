"""The classifier that is always there: MiniLM embedding, form features and the trained head."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from classifier.assessment import Assessment, Task
from classifier.embedding import AskEncoder, MiniLmEncoder
from classifier.features import form, named_task, structure
from classifier.head import Head, Reading, load_shipped
from classifier.prototypes import Described, UserTask, build, load_background, match
from classifier.text import Ask, instruction, read_ask
from models.chat import ChatRequest

log = logging.getLogger(__name__)

T = TypeVar("T")


class EmbeddingClassifier:
    """Runs on one worker thread of its own, so that the event loop is never blocked."""

    def __init__(self, encoder: AskEncoder, head: Head, own: Sequence[Described] = ()) -> None:
        """The encoder is only ever called on the worker thread. `own` are the user's own tasks."""
        self._encoder = encoder
        self._head = head
        self._described = tuple(own)
        self._own: tuple[UserTask, ...] | None = None  # built on the worker, at the first use
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="headstart-embedding")

    @property
    def name(self) -> str:
        """`embedding-` and the head's version."""
        return f"embedding-{self._head.version}"

    async def warm_up(self) -> None:
        """Loads the weights and runs once, so that the first request does not pay for it."""
        await self._on_worker(lambda: self._encoder.encode(["warm up"]))
        await self.user_tasks()

    async def user_tasks(self) -> tuple[UserTask, ...]:
        """The user's own tasks, with what their examples are worth."""
        return await self._on_worker(self._user_tasks)

    async def assess(self, request: ChatRequest) -> Assessment:
        """Task and chance; never fails on any text, the empty one included."""
        return await self._on_worker(lambda: self._assess(request))

    async def aclose(self) -> None:
        """Ends the worker; what waits for it is cancelled."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _on_worker(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _assess(self, request: ChatRequest) -> Assessment:
        ask = read_ask(request)
        embedding, asked = self._encoder.encode_ask(ask.full, instruction(ask.full))
        shape = form(ask)
        reading = self._head.read(embedding, shape, asked, ask.full)
        task = named_task(ask, reading.tasks)
        found = None if ask.has_media else match(self._user_tasks(), embedding)
        if found:
            task = found.like
        return Assessment(
            task=task,
            user_task=found.name if found else "",
            p_fast=reading.p_fast,
            classifier=self.name,
            task_probabilities={**reading.tasks},
            signals={
                "p_fast_embedding": reading.p_fast,
                "p_right": reading.p_right,
                "deep_gain": reading.gain,
                "p_task": reading.tasks.get(task, 1.0),
                **({"user_task": found.score} if found else {}),
                **structure(request, ask, shape),
            },
            embedding=embedding.tobytes(),
            form=shape.tobytes(),
            instruction=b"" if (asked == embedding).all() else asked.tobytes(),
        )

    def _user_tasks(self) -> tuple[UserTask, ...]:
        if self._own is None:
            self._own = tuple(self._built(task) for task in self._described)
        return self._own

    def _built(self, task: Described) -> UserTask:
        asks = [Ask(text=text, chars=len(text)) for text in dict.fromkeys(task.examples)]
        embeddings = self._encoder.encode([ask.text for ask in asks])
        like = task.like or self._alike(asks)
        built = build(task.name, embeddings, load_background(), like)
        if not built.separable:
            log.warning(
                "[classifier.tasks.%s]: its examples have too little in common, only %.0f %% of them"
                " are recognised by the others; add more, or split the task",
                built.name,
                100 * built.recognised,
            )
        return built

    def _alike(self, asks: Sequence[Ask]) -> Task:
        readings = [self._read(ask) for ask in asks]
        return max(readings[0].tasks, key=lambda task: sum(r.tasks[task] for r in readings))

    def _read(self, ask: Ask) -> Reading:
        whole, asked = self._encoder.encode_ask(ask.full, instruction(ask.full))
        return self._head.read(whole, form(ask), asked, ask.full)


def load_default(own: Sequence[Described] = (), head: Head | None = None) -> EmbeddingClassifier:
    """The head, else the shipped one, on the installed weights."""
    return EmbeddingClassifier(MiniLmEncoder(), head or load_shipped(), own)
