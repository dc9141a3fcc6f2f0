"""Tokens a second through the server on one core: `python -m scripts.bench.throughput`.

A fake engine answers as fast as it can; 16 streams are open at once. The engine and the client
share one core, the server under test has another for itself. Each round asks the engine directly,
then through a naive relay, then through Headstart, so that a noisy machine is noisy for all three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median

import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scripts.bench.client import Answer, chat_request, connect
from scripts.bench.processes import (
    ROOT,
    cpu_seconds,
    free_port,
    headstart,
    pin,
    running,
    wait_until_up,
)
from tests.fakes.provider_server import answer_of


@dataclass(frozen=True, slots=True)
class Target:
    """Something to ask; `pid` is the process whose core is the limit."""

    name: str
    url: str
    model: str
    pid: int


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds of one target."""

    target: str
    tokens_per_second: float
    tokens_per_cpu_second: float  # of the target's own process
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    open: int
    requests: int
    rounds: int
    tokens: int
    model: str
    core: int


def main() -> None:
    """Measure, print, and fail below the floor."""
    args = _parser().parse_args()
    cores = sorted(os.sched_getaffinity(0))
    options = Options(args.open, args.requests, args.rounds, args.tokens, args.model, core=cores[0])
    if len(cores) < 2:
        print("One core only: client and server share it, so the figures are too low.")
    variants = {"a token a write": 1, f"{args.coalesced} tokens a write": args.coalesced}
    results: dict[str, list[Result]] = {}
    for name, per_write in variants.items():
        results[name] = _variant(options, per_write, naive=not args.no_naive)
        if not args.json:
            _show(name, results[name])
    if args.json:
        print(json.dumps({name: [asdict(r) for r in rows] for name, rows in results.items()}))
    # Of its own processor time, because a neighbour on the core must not fail the check.
    worst = min(rows[-1].tokens_per_cpu_second for rows in results.values())
    if worst < args.floor:
        sys.exit(f"{worst:,.0f} tokens per CPU second is below the floor of {args.floor:,.0f}")


def _variant(options: Options, per_write: int, *, naive: bool) -> list[Result]:
    with ExitStack() as stack:
        engine = stack.enter_context(_engine(options, per_write))
        targets = [engine]
        if naive:
            targets.append(stack.enter_context(_naive(options, engine.url)))
        targets.append(stack.enter_context(_headstart(options, engine.url)))
        return uvloop.run(_measure(options, targets))


@contextmanager
def _engine(options: Options, per_write: int) -> Generator[Target]:
    command = [sys.executable, "-m", "tests.fakes.provider_server"]
    command += ["--tokens", str(options.tokens), "--per-write", str(per_write)]
    others = sorted(os.sched_getaffinity(0) - {options.core}) or [options.core]
    with running(command, core=others[0]) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        yield Target("the engine itself", url, "scripted-model", process.pid)


@contextmanager
def _naive(options: Options, engine: str) -> Generator[Target]:
    port = free_port()
    command = [sys.executable, "-m", "scripts.bench.naive_relay", engine, str(port)]
    with running(command, core=options.core) as process:
        wait_until_up(f"http://127.0.0.1:{port}/ready", process)
        yield Target("FastAPI + httpx", f"http://127.0.0.1:{port}/v1", "m", process.pid)


@contextmanager
def _headstart(options: Options, engine: str) -> Generator[Target]:
    with headstart(engine, core=options.core) as (address, process):
        wait_until_up(f"{address}/ready", process)
        yield Target("Headstart", f"{address}/v1", options.model, process.pid)


async def _measure(options: Options, targets: Sequence[Target]) -> list[Result]:
    """All targets in turn, round by round; the first round warms up and is not counted."""
    pin(os.sched_getaffinity(0) - {options.core} or {options.core})
    rates: dict[str, list[tuple[float, float]]] = {target.name: [] for target in targets}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rounds", total=(options.rounds + 1) * len(targets))
        for number in range(options.rounds + 1):
            for target in targets:
                rate = await ask_round(options, target)
                if number:
                    rates[target.name].append(rate)
                progress.advance(task)
    return [_result(name, found) for name, found in rates.items()]


async def ask_round(options: Options, target: Target) -> tuple[float, float]:
    """Tokens a second and tokens a second of the target's processor time."""
    request = chat_request(target.url, target.model, "Tell me a story.", max_tokens=options.tokens)
    clients = [await connect(target.url) for _ in range(options.open)]
    each = options.requests // options.open

    async def ask(number: int) -> list[Answer]:
        return [await clients[number].ask(request) for _ in range(each)]

    cpu, start = cpu_seconds(target.pid), time.monotonic()
    answers = await asyncio.gather(*(ask(number) for number in range(options.open)))
    seconds, cpu = time.monotonic() - start, cpu_seconds(target.pid) - cpu
    for client in clients:
        client.close()
    expected = answer_of(options.tokens)
    wrong = [a.text() for answered in answers for a in answered if a.text() != expected]
    if wrong:
        raise RuntimeError(f"{target.name}: {len(wrong)} wrong answers, one is {wrong[0]!r}")
    tokens = each * options.open * options.tokens
    return tokens / seconds, tokens / max(cpu, 0.01)


def _result(name: str, rates: list[tuple[float, float]]) -> Result:
    walls = [wall for wall, _ in rates]
    cpus = [cpu for _, cpu in rates]
    return Result(name, median(walls), median(cpus), min(walls), max(walls))


def _show(variant: str, results: Sequence[Result]) -> None:
    columns = ("asked", "tokens/s", "lowest", "highest", "tokens per CPU second", "ratio")
    table = Table(*columns, title=f"Streams of a fake engine, {variant}")
    baseline = next((r for r in results if r.target.startswith("FastAPI")), results[0])
    for result in results:
        ratio = result.tokens_per_second / baseline.tokens_per_second
        figures = (
            result.tokens_per_second,
            result.lowest,
            result.highest,
            result.tokens_per_cpu_second,
        )
        table.add_row(result.target, *(f"{figure:,.0f}" for figure in figures), f"{ratio:.2f}")
    Console().print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="throughput", description=__doc__)
    parser.add_argument("--open", type=int, default=16, help="streams open at once")
    parser.add_argument("--requests", type=int, default=640, help="per target and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64, help="length of an answer")
    parser.add_argument("--coalesced", type=int, default=8, help="tokens a write, second variant")
    parser.add_argument("--model", default="fast", help="what Headstart is asked for")
    parser.add_argument("--no-naive", action="store_true", help="leave the baseline out")
    parser.add_argument(
        "--floor", type=float, default=0.0, help="fail below so many tokens per CPU second"
    )
    parser.add_argument("--json", action="store_true", help="figures for programs")
    return parser


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
