"""The whole server against hosts that fail in every way: `./scripts/chaos`.

Three hosted models and a local engine, all fakes on real sockets, know one answer. Each request
has one kind of fault; the first one or two models asked for it show that fault at a random place,
whoever they are, and the last is healthy. So every answer must come whole: not a character lost,
repeated or out of order, exactly one finish, and nothing left open behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from typing_extensions import override

from scripts.bench.client import Client, chat_request, connect
from tests.fakes.delivery import Delivery
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.fleet import hosted
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import Received, Step
from tests.serving.live import headstart
from tests.serving.openai_reader import read_stream

_ANSWER = (
    "The Rhine rises in the Alps. Er fließt durch sechs Länder — 莱茵河流经六个国家。 It carries "
    "ore, grain and oil 🚢: about 300 million tonnes a year. در تابستان‌های خشک آب پایین می‌رود. "
    "In dry summers the water at Kaub falls below 40 cm, and half-empty ships cost dearly 👩🏽‍🔧."
)
_CASE = re.compile(rb"case-(\d+)-(\w+)")
_SLOW = Delivery(cut=40, pauses=(0.02, 0.05, 0.02), pause=0.0)
_BYTES = Delivery(cut=1, per_write=50)

# name -> what goes wrong, and how the bytes come
_Kind = tuple[FaultKind | None, dict[str, object], Delivery]
_KINDS: dict[str, _Kind] = {
    "nothing": (None, {}, Delivery()),
    "refuse": ("reset", {"at": None}, Delivery()),
    "429": ("status", {"status": 429}, Delivery()),
    "429_retry_after": ("status", {"status": 429, "retry_after": 0.05}, Delivery()),
    "500": ("status", {"status": 500}, Delivery()),
    "529": ("status", {"status": 529}, Delivery()),
    "cut": ("cut", {}, Delivery()),
    "cut_in_event": ("cut", {"torn": True}, Delivery()),
    "error_event": ("error", {}, Delivery()),
    "reset": ("reset", {}, Delivery()),
    "closed": ("close", {}, Delivery()),
    "stall": ("stall", {}, Delivery()),
    "slow_drip": (None, {}, _SLOW),
    "utf8_split": (None, {}, _BYTES),
    "garbage": ("garbage", {}, Delivery()),
    "content_type": ("html", {}, Delivery()),
    "empty": ("empty", {}, Delivery()),
    "redirect": ("redirect", {}, Delivery()),
    "huge_event": ("huge", {"size": 1 << 20}, Delivery()),
    # A piece of text that comes twice looks like text that is meant twice; the last event does not.
    "duplicate_end": ("duplicate", {"at": len(_ANSWER)}, Delivery()),
}
_PLACED = {
    "cut",
    "cut_in_event",
    "error_event",
    "reset",
    "closed",
    "stall",
    "garbage",
    "huge_event",
}


class _Chaotic(ScriptedProvider):
    """A provider that fails as the request's case says, if it is among the first asked for it."""

    asked: ClassVar[Counter[int]] = Counter()  # by case, shared by all providers

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        found = _CASE.search(request.body)
        if found is not None:
            case = int(found.group(1))
            self.asked[case] += 1
            self.script(_turn(case, found.group(2).decode(), self.asked[case]))
        return super().respond(request)


def _turn(case: int, name: str, nth: int) -> Turn:
    """What the nth model asked for this case does."""
    kind, options, delivery = _KINDS[name]
    chance = random.Random(case * 10 + nth)
    if nth > 1 + case // len(_KINDS) % 2:
        return Turn(answer=_ANSWER, tokens_per_chunk=chance.randint(1, 5))
    fault = None
    if kind is not None:
        if name in _PLACED:
            options = {**options, "at": chance.randint(0, len(_ANSWER))}
        fault = Fault(kind=kind, **options)  # pyright: ignore[reportArgumentType]
    tokens = chance.randint(1, 5)
    return Turn(answer=_ANSWER, fault=fault, delivery=delivery, tokens_per_chunk=tokens)


@dataclass
class _Row:
    """What came of one kind of fault."""

    asked: int = 0
    whole: int = 0
    wrong: int = 0  # characters lost, repeated or out of order
    broken: int = 0  # no proper end, an error, or none in time
    legs: int = 0
    seconds: list[float] = field(default_factory=list[float])


def main() -> None:
    """Run, print the table, fail if anything was lost."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=64, help="streams open at once")
    args = parser.parse_args()
    rows, left = asyncio.run(_run(args.requests, args.open))
    _print(rows, left)
    if any(row.whole != row.asked for row in rows.values()) or any(left.values()):
        sys.exit(1)


async def _run(requests: int, streams: int) -> tuple[dict[str, _Row], dict[str, int]]:
    rows: dict[str, _Row] = defaultdict(_Row)
    fakes = {
        "fast": _Chaotic("vllm", _ANSWER, model="fast-model"),
        "anthropic": _Chaotic("anthropic", _ANSWER, model="claude-sonnet-5-5", prefill=False),
        "gemini": _Chaotic("gemini", _ANSWER, model="gemini-4-argon", prefill=False),
        "deepseek": _Chaotic("deepseek", _ANSWER, model="deepseek-v4-pro"),
    }
    async with hosted(**fakes) as fleet:
        settings = fleet.settings | {
            "deadlines": {
                "fast_first_token": 1.0,
                "classifier": 1.0,
                "deep_first_sentence": 2.0,
                "stall": 0.5,
                "request": 60.0,
            }
        }
        before = len(asyncio.all_tasks())
        async with headstart(settings) as url:
            cases = iter(range(requests))
            with Progress(transient=True) as progress:
                bar = progress.add_task(f"{requests:,} requests", total=requests)
                work = (_worker(f"{url}/v1", cases, rows, progress, bar) for _ in range(streams))
                await asyncio.gather(*work)
            await asyncio.sleep(0.2)
            legs = [t for t in asyncio.all_tasks() if t.get_name().startswith(("leg", "plan"))]
            left = {
                "legs still running": len(legs),
                "upstream replies still open": sum(f.unanswered for f in fakes.values()),
            }
        left["tasks left behind"] = max(0, len(asyncio.all_tasks()) - before - len(fakes))
    return rows, left


async def _worker(
    url: str, cases: Iterable[int], rows: dict[str, _Row], progress: Progress, bar: object
) -> None:
    """Ask one case after the other on one connection."""
    client = await connect(url)
    for case in cases:
        name = list(_KINDS)[case % len(_KINDS)]
        row = rows[name]
        row.asked += 1
        began = time.monotonic()
        try:
            await asyncio.wait_for(_ask(client, url, case, name, row), 90.0)
        except Exception as error:
            row.broken += 1
            if row.broken <= 2:
                progress.console.print(f"{name} case {case}: {type(error).__name__}: {error}"[:300])
            client.close()
            client = await connect(url)
        row.seconds.append(time.monotonic() - began)
        progress.advance(bar)  # pyright: ignore[reportArgumentType]
    client.close()


async def _ask(client: Client, url: str, case: int, name: str, row: _Row) -> None:
    # A third goes straight to the deep tier, a third through draft and upgrade, a third stays fast.
    own = [{"mode": "deep"}, {"threshold": 1.0}, {"threshold": 0.0}][case % 3]
    prompt = f"Tell me about the Rhine. case-{case}-{name}"
    answer = await client.ask(chat_request(url, "auto", prompt, headstart=own))
    read = read_stream(b"".join(_bodies(answer.reads)))
    text = read.text
    assert read.headstart is not None
    row.legs += len(read.headstart["legs"])
    if text == _ANSWER and read.finish == "stop":
        row.whole += 1
    else:
        row.wrong += text != _ANSWER
        raise AssertionError(f"finish {read.finish}, text {text!r}")


def _bodies(reads: list[tuple[float, bytes]]) -> Iterable[bytes]:
    """The body of a chunked reply."""
    raw = b"".join(data for _, data in reads).partition(b"\r\n\r\n")[2]
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        yield raw[:length]
        raw = raw[length + 2 :]


def _print(rows: dict[str, _Row], left: dict[str, int]) -> None:
    table = Table(
        "fault",
        "requests",
        "whole answers",
        "wrong text",
        "broken",
        "legs each",
        "p50 s",
        "slowest s",
    )
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row.asked:,}",
            f"{row.whole / row.asked:.2%}",
            str(row.wrong),
            str(row.broken),
            f"{row.legs / row.asked:.2f}",
            f"{median(row.seconds):.2f}",
            f"{max(row.seconds):.2f}",
        )
    console = Console()
    console.print(table)
    for what, count in left.items():
        console.print(f"{what}: {count}")


if __name__ == "__main__":
    main()
