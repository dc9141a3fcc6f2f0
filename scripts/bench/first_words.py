"""Time to the first shown sentence against the hosted model's own first token: the relay's promise.

`python -m scripts.bench.first_words`: a fake engine that speaks as a GPU does and a fake hosted
model that lets its first token wait, with the whole server between. Each delay is asked with the
draft in front (`auto`, deep) and without (`deep`), in turns. Writes a table, and a plot if asked.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from scripts.bench.client import Client, chat_request, connect
from tests.fakes.delivery import Delivery
from tests.fakes.fleet import deepseek, engine, hosted
from tests.fakes.script import Turn
from tests.serving.live import headstart

_ANSWER = (
    "The Rhine rises in the Alps. It flows through six countries before it reaches the sea, "
    "and 1,233 km lie between source and mouth."
)
_FIRST_SENTENCE = _ANSWER.index(". ") + 1  # characters
# Qwen2.5-7B on one card, in round figures: 50 ms to the first token, 100 tokens a second.
_ENGINE = Delivery(first_byte_delay=0.05, pause=0.01)
_DELAYS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds until the first sentence is shown whole."""

    delay: float
    with_draft: list[float]
    without: list[float]


def main() -> None:
    """Measure, print, and draw if asked."""
    parser = argparse.ArgumentParser(prog="first_words", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--plot", type=Path, help="write a PNG here (needs matplotlib)")
    args = parser.parse_args()
    rows = asyncio.run(_run(args.rounds))
    _print(rows)
    if args.plot:
        _draw(rows, args.plot)


async def _run(rounds: int) -> list[Row]:
    rows: list[Row] = []
    for delay in track(_DELAYS, transient=True):
        slow = Turn(answer=_ANSWER, delivery=Delivery(first_byte_delay=delay, pause=0.01))
        fast = Turn(answer=_ANSWER, delivery=_ENGINE)
        async with (
            hosted(fast=engine(fast), deepseek=deepseek(slow)) as fleet,
            headstart(fleet.settings) as url,
        ):
            clients = [await connect(url) for _ in range(min(rounds, 10))]
            shares = [rounds // len(clients)] * len(clients)
            asked = [_ask_in_turns(c, f"{url}/v1", n) for c, n in zip(clients, shares, strict=True)]
            pairs = [pair for pairs in await asyncio.gather(*asked) for pair in pairs]
            for client in clients:
                client.close()
        rows.append(Row(delay, [a for a, _ in pairs], [b for _, b in pairs]))
    return rows


async def _ask_in_turns(client: Client, url: str, rounds: int) -> list[tuple[float, float]]:
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds):
        with_draft = await _first_sentence(client, url, {"threshold": 1.0})
        pairs.append((with_draft, await _first_sentence(client, url, {"mode": "deep"})))
    return pairs


async def _first_sentence(client: Client, url: str, own: dict[str, object]) -> float:
    request = chat_request(url, "auto", "Tell me about the Rhine.", headstart=own)
    answer = await client.ask(request)
    assert answer.text() == _ANSWER
    shown = 0
    for seconds, text in answer.deltas():
        shown += len(text)
        if shown >= _FIRST_SENTENCE:
            return seconds
    raise AssertionError("the answer has a first sentence")


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def _print(rows: list[Row]) -> None:
    table = Table(
        "hosted first token s", "with draft p50 s", "p99", "without p50 s", "p99", "times sooner"
    )
    for row in rows:
        table.add_row(
            f"{row.delay:g}",
            f"{median(row.with_draft):.2f}",
            f"{_p99(row.with_draft):.2f}",
            f"{median(row.without):.2f}",
            f"{_p99(row.without):.2f}",
            f"{median(row.without) / median(row.with_draft):.1f}",
        )
    Console().print(table)


def _draw(rows: list[Row], path: Path) -> None:
    pyplot: Any = import_module("matplotlib.pyplot")  # nothing else needs it installed
    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    delays = [row.delay for row in rows]
    for name, colour, values in (
        ("without the draft", "#b0b0b0", [row.without for row in rows]),
        ("with the draft", "#1f6feb", [row.with_draft for row in rows]),
    ):
        axes.plot(delays, [median(v) for v in values], "o-", color=colour, label=f"{name}, p50")
        axes.plot(delays, [_p99(v) for v in values], ":", color=colour, label=f"{name}, p99")
    axes.set(xlabel="hosted model's first token after (s)", ylabel="first sentence shown after (s)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)


if __name__ == "__main__":
    main()
