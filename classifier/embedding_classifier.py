"""The classifier that is always there: MiniLM embedding, form features and the trained head."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from classifier.assessment import Assessment
from classifier.embedding import Encoder, MiniLmEncoder
from classifier.features import form, named_task, structure
from classifier.head import Head, load_shipped
from classifier.text import read_ask
from models.chat import ChatRequest

T = TypeVar("T")


class EmbeddingClassifier:
    """Runs on one worker thread of its own, so that the event loop is never blocked."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        """The encoder is only ever called on the worker thread."""
        self._encoder = encoder
        self._head = head
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="headstart-embedding")

    @property
    def name(self) -> str:
        """`embedding-` and the head's version."""
        return f"embedding-{self._head.version}"

    async def warm_up(self) -> None:
        """Loads the weights and runs once, so that the first request does not pay for it."""
        await self._on_worker(lambda: self._encoder.encode(["warm up"]))

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
        embedding = self._encoder.encode([ask.full])[0]
        reading = self._head.read(embedding, form(ask))
        task = named_task(ask, reading.tasks)
        return Assessment(
            task=task,
            p_fast=reading.p_fast,
            classifier=self.name,
            task_probabilities={**reading.tasks},
            signals={
                "p_fast_embedding": reading.p_fast,
                "deep_gain": reading.gain,
                "p_deep_better": reading.p_deep_better,
                "p_task": reading.tasks.get(task, 1.0),
                **structure(request, ask),
            },
            embedding=embedding.tobytes(),
        )


def load_default() -> EmbeddingClassifier:
    """The shipped head on the installed weights."""
    return EmbeddingClassifier(MiniLmEncoder(), load_shipped())
