"""What a decision takes in the whole server while answers stream: a section of `scripts.bench.routing`.

A fake engine streams to some clients all the time; meanwhile a prompt of about 500 tokens is put to
a classifier beside it on the same event loop, one at a time. The CPU time is the fairer figure on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from statistics import median

from rich.table import Table

from classifier.embedding_classifier import EmbeddingClassifier, load_default
from models.chat import ChatRequest, Message, Text
from scripts.bench.client import chat_request, connect
from tests.fakes.delivery import Delivery
from tests.fakes.fleet import deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.serving.live import headstart

_SENTENCE = (
    "The committee met on Monday to decide whether the old bridge should be closed for repairs, what a new one"
    " would cost, and how many cars cross the river each day in {} and in the years before. "
)
_WORDS = " ".join(f"word{n}" for n in range(200))


def tables(args: argparse.Namespace) -> Iterator[Table]:
    """The section's one table."""
    alone, busy, loaded, stalls = asyncio.run(_measure(args.requests, args.streams))
    table = Table("decision time, ms", "p50", "p99", "target", title="a prompt of about 500 tokens")
    table.add_row(
        "no other work", f"{median(alone):.1f}", f"{_p99(alone):.1f}", "p50 ≤ 6, p99 ≤ 15"
    )
    table.add_row("of that, CPU", f"{median(busy):.1f}", f"{_p99(busy):.1f}", "")
    table.add_row(
        f"while {args.streams} answers stream", f"{median(loaded):.1f}", f"{_p99(loaded):.1f}", ""
    )
    table.add_row(
        "event loop not turning", f"{median(stalls):.1f}", f"{max(stalls):.1f} (max)", "≤ 5"
    )
    yield table


async def _measure(requests: int, streams: int) -> tuple[list[float], ...]:
    """Milliseconds: decisions alone, their CPU, decisions under load, the loop's pauses under load."""
    classifier = load_default()
    await classifier.warm_up()
    try:
        alone, busy = await _alone(classifier, requests)
        async with _streaming(streams):
            stalls: list[float] = []
            watch = asyncio.create_task(_watch(stalls))
            loaded = [await _decide(classifier, n) for n in range(requests)]
            watch.cancel()
    finally:
        await classifier.aclose()
    return alone, busy, loaded, stalls


async def _alone(classifier: EmbeddingClassifier, requests: int) -> tuple[list[float], list[float]]:
    alone, busy = list[float](), list[float]()
    for number in range(requests):
        started = time.process_time()
        alone.append(await _decide(classifier, number))
        busy.append(1000 * (time.process_time() - started))
    return alone, busy


async def _decide(classifier: EmbeddingClassifier, number: int) -> float:
    text = "Summarise this report in three sentences.\n\n" + _SENTENCE.format(number) * 12
    request = ChatRequest(model="auto", messages=(Message(role="user", parts=(Text(text=text),)),))
    started = time.perf_counter()
    await classifier.assess(request)
    return 1000 * (time.perf_counter() - started)


async def _watch(stalls: list[float]) -> None:
    """How much later than asked the loop comes back, all the time."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(1000 * (time.perf_counter() - started) - 1)


@asynccontextmanager
async def _streaming(streams: int) -> AsyncGenerator[None, None]:
    """A whole Headstart in this loop whose fast tier speaks to this many clients without an end."""
    turn = Turn(answer=_WORDS, delivery=Delivery(pause=0.01))
    async with (
        hosted(fast=engine(turn), deepseek=deepseek(turn)) as fleet,
        headstart(fleet.settings) as url,
    ):
        clients = [asyncio.create_task(_listen(url)) for _ in range(streams)]
        await asyncio.sleep(1)
        try:
            yield
        finally:
            for client in clients:
                client.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*clients)


async def _listen(url: str) -> None:
    client = await connect(url)
    try:
        while True:
            await client.ask(chat_request(f"{url}/v1", "fast", "Speak."))
    finally:
        client.close()


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]
