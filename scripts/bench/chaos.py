"""The whole server against hosts that fail in every way: `./scripts/chaos`.

Three hosted models and a local engine, all fakes on real sockets, know one answer. Each request
has one kind of fault; the first one or two models asked for it show that fault at a random place,
whoever they are, and the last is healthy. Or the first breaks off, and whoever is asked to go on
does so in a way of its own (tests/fakes/disobedience.py). So every answer must come whole: not a
character lost, repeated or out of order, exactly one finish, and nothing left open behind it.

White space alone is counted apart: where a model leaves it out, nobody can know it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from statistics import median

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from scripts.bench.chaos_hosts import ANSWER, KINDS, Chaotic
from scripts.bench.client import Answer, Client, chat_request, connect
from tests.fakes.disobedience import tells
from tests.fakes.fleet import hosted
from tests.serving.live import headstart
from tests.serving.openai_reader import read_stream

_DOWN = "down/scripted-model"  # its port is closed
_REFUSED = "translation"  # the task for which it is asked first
_HUNG = 150.0  # seconds
# Wide enough for 64 streams on a busy machine: a healthy host must not be late because of us.
_LIMITS = {
    "fast_first_token": 5.0,
    "classifier": 5.0,
    "deep_first_sentence": 15.0,
    "stall": 5.0,
    "grace": 0.2,
    "request": 120.0,
}


@dataclass
class _Row:
    """What came of one kind of fault."""

    asked: int = 0
    whole: int = 0
    spaces: int = 0  # of the whole ones: white space that the model left out is not there
    wrong: Counter[str] = field(default_factory=Counter[str])  # characters, by what befell them
    finishes: int = 0
    hung: int = 0
    broken: int = 0  # an error, or a stream that a strict client refuses
    legs: int = 0
    seconds: list[float] = field(default_factory=list[float])

    @property
    def right(self) -> bool:
        """True when nothing at all went wrong."""
        return self.whole == self.finishes == self.asked and not self.wrong


def main() -> None:
    """Run, print the table, fail if anything was lost."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=64, help="streams open at once")
    args = parser.parse_args()
    rows, left = asyncio.run(_run(args.requests, args.open))
    _print(rows, left)
    if not all(row.right for row in rows.values()) or any(left.values()):
        sys.exit(1)


async def _run(requests: int, streams: int) -> tuple[dict[str, _Row], dict[str, int]]:
    rows: dict[str, _Row] = defaultdict(_Row)
    fakes = {
        "fast": Chaotic("vllm", ANSWER, model="fast-model"),
        "anthropic": Chaotic("anthropic", ANSWER, model="claude-sonnet-5-5", prefill=False),
        "gemini": Chaotic("gemini", ANSWER, model="gemini-4-argon", prefill=False),
        "deepseek": Chaotic("deepseek", ANSWER, model="deepseek-v4-pro"),
    }
    async with hosted(**fakes, down=None) as fleet:
        order = fleet.settings["deep"]["order"]
        healthy = [name for name in order if name != _DOWN]
        deep = {"order": healthy, "tasks": {_REFUSED: [_DOWN, *healthy]}}
        settings = fleet.settings | {"deadlines": _LIMITS, "deep": deep}
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
        with suppress(TimeoutError):
            await asyncio.gather(*(fake.closed(within=2.0) for fake in fakes.values()))
        left["connections left open"] = sum(fake.open_connections for fake in fakes.values())
    return rows, left


async def _worker(
    url: str, cases: Iterable[int], rows: dict[str, _Row], progress: Progress, bar: TaskID
) -> None:
    """Ask one case after the other on one connection."""
    client = await connect(url)
    for case in cases:
        name = list(KINDS)[case % len(KINDS)]
        row = rows[name]
        row.asked += 1
        began = time.monotonic()
        try:
            _take(await asyncio.wait_for(_ask(client, url, case, name), _HUNG), name, row)
        except Exception as error:
            row.hung += isinstance(error, TimeoutError)
            row.broken += not isinstance(error, TimeoutError)
            progress.console.print(f"{name} case {case}: {type(error).__name__}: {error}"[:300])
            client.close()
            client = await connect(url)
        row.seconds.append(time.monotonic() - began)
        progress.advance(bar)
    client.close()


async def _ask(client: Client, url: str, case: int, name: str) -> Answer:
    """A third goes straight to the deep tier, a third through draft and upgrade, a third stays fast."""
    ways = [{"mode": "deep"}, {"threshold": 1.0}, {"threshold": 0.0}]
    own = ways[case // len(KINDS) % 3] if name != "refuse" else {"mode": "deep", "task": _REFUSED}
    prompt = f"Tell me about the Rhine. case-{case}-{name}"
    return await client.ask(chat_request(url, "auto", prompt, headstart=own))


def _take(answer: Answer, name: str, row: _Row) -> None:
    """Count what a strict client makes of the stream."""
    read = read_stream(b"".join(_bodies(answer.reads)))
    row.finishes += sum(bool(c["choices"]) and _finishes(c) for c in read.chunks)
    assert read.headstart is not None
    row.legs += len(read.headstart["legs"])
    if read.finish == "stop" and tells(ANSWER, read.text, skips=2 * (name == "skips")):
        row.whole += 1
        row.spaces += read.text != ANSWER and tells(ANSWER, read.text, skips=0)
    else:
        row.wrong.update(_damage(read.text))
        raise AssertionError(f"finish {read.finish}, text {read.text!r}")


def _finishes(chunk: dict[str, list[dict[str, str | None]]]) -> bool:
    return chunk["choices"][0]["finish_reason"] is not None


def _damage(text: str) -> Counter[str]:
    """How many characters are lost, there too often, or out of order."""
    changes = SequenceMatcher(None, ANSWER, text, autojunk=False).get_opcodes()
    lost = Counter("".join(ANSWER[a:b] for how, a, b, _, _ in changes if how != "equal"))
    more = Counter("".join(text[a:b] for how, _, _, a, b in changes if how != "equal"))
    moved = lost & more
    counts = {"lost": lost - moved, "repeated": more - moved, "reordered": moved}
    return Counter({what: count.total() for what, count in counts.items() if count})


def _bodies(reads: list[tuple[float, bytes]]) -> Iterable[bytes]:
    """The body of a chunked reply."""
    raw = b"".join(data for _, data in reads).partition(b"\r\n\r\n")[2]
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        yield raw[:length]
        raw = raw[length + 2 :]


_COLUMNS = (
    "fault requests whole lost repeated reordered space-only finishes hung broken legs p50-s max-s"
)


def _print(rows: dict[str, _Row], left: dict[str, int]) -> None:
    table = Table(*(column.replace("-", " ") for column in _COLUMNS.split()))
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row.asked:,}",
            f"{row.whole / row.asked:.2%}",
            *(str(row.wrong[what]) for what in ("lost", "repeated", "reordered")),
            str(row.spaces),
            f"{row.finishes:,}",
            str(row.hung),
            str(row.broken),
            f"{row.legs / row.asked:.2f}",
            f"{median(row.seconds):.2f}",
            f"{max(row.seconds):.2f}",
        )
    console = Console(width=140)
    console.print(table)
    for what, count in left.items():
        console.print(f"{what}: {count}")
    went_on = ", ".join(f"{name} {count}" for name, count in Chaotic.went_on.items())
    console.print(f"models that were asked to go on, by their way: {went_on}")


if __name__ == "__main__":
    main()
