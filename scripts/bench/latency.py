"""Time to the first shown text, beside asking the engine directly: `python -m scripts.bench.latency`.

Each prompt is asked of the engine and of Headstart, in changing order, one at a time. What Headstart
adds is counted twice: against the engine's first token, and against its first complete sentence,
which is what the sentence gate waits for before anything may be shown.

Without addresses it starts the real engine with the demo model, and a Headstart that attaches to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.stream import TextDelta
from router.gate import Gate
from scripts.bench.client import Answer, chat_request, connect
from scripts.bench.processes import headstart, wait_until_up
from serving.engines.fleet import running as running_engines
from serving.engines.plan import EngineSpec, inspect_machine
from serving.settings_file import environment

_PROMPTS = (
    "What is the capital of {}?",
    "Say hello to a friend from {}.",
    "Name one famous food of {}.",
    "Which language do people speak in {}?",
    "Write one short sentence about the weather in {}.",
)
_COUNTRIES = ("France", "Japan", "Brazil", "Egypt", "Norway", "Canada", "India", "Kenya")


@dataclass(frozen=True, slots=True)
class Pair:
    """A Headstart and its engine; both addresses are with /v1."""

    server: str
    engine: str
    engine_model: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of one prompt, from the request to the text."""

    first_token: float  # the engine
    first_sentence: float  # the engine, when the gate would let it through
    shown: float  # Headstart
    route: str


@dataclass(frozen=True, slots=True)
class Row:
    """One figure over all prompts, in milliseconds."""

    what: str
    p50: float
    p90: float


def main() -> None:
    """Measure and print."""
    parser = _parser()
    args = parser.parse_args()
    if len({bool(args.server), bool(args.engine), bool(args.engine_model)}) > 1:
        parser.error("--server, --engine and --engine-model go together")
    prompts = [
        _PROMPTS[n % len(_PROMPTS)].format(_COUNTRIES[n % len(_COUNTRIES)])
        for n in range(args.prompts)
    ]
    samples = asyncio.run(_run(args, prompts))
    rows = _rows(samples)
    routes = Counter(sample.route for sample in samples)
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "routes": routes}))
        return
    table = Table("", "p50 ms", "p90 ms", title=f"{len(samples)} prompts, routes {dict(routes)}")
    for row in rows:
        table.add_row(row.what, f"{row.p50:,.1f}", f"{row.p90:,.1f}")
    Console().print(table)


async def _run(args: argparse.Namespace, prompts: Sequence[str]) -> list[Sample]:
    if args.server:
        return await _measure(args, Pair(args.server, args.engine, args.engine_model), prompts)
    async with _started(args.weights) as pair:
        return await _measure(args, pair, prompts)


@asynccontextmanager
async def _started(weights: str) -> AsyncGenerator[Pair]:
    """The real engine on a loopback port, and a Headstart in front of it."""
    env = environment()
    spec = EngineSpec(role="fast", model=weights)
    async with running_engines([spec], inspect_machine(env), env, loopback=True) as engines:
        url, model = engines["fast"].address.base_url + "/v1", engines["fast"].model
        with headstart(url) as (address, process):
            await asyncio.to_thread(wait_until_up, f"{address}/ready", process)
            yield Pair(f"{address}/v1", url, model)


async def _measure(args: argparse.Namespace, pair: Pair, prompts: Sequence[str]) -> list[Sample]:
    engine, server = await connect(pair.engine), await connect(pair.server)
    options = {"max_tokens": args.tokens, "temperature": 0}
    samples: list[Sample] = []
    for number, prompt in enumerate(track(prompts, console=Console(stderr=True), transient=True)):
        to_engine = chat_request(pair.engine, pair.engine_model, prompt, **options)
        to_server = chat_request(pair.server, args.model, prompt, **options)
        # Whoever comes second finds the prompt in the engine's prefix cache: warm it for both.
        await engine.ask(chat_request(pair.engine, pair.engine_model, prompt, max_tokens=1))
        if number % 2:
            shown, direct = await server.ask(to_server), await engine.ask(to_engine)
        else:
            direct, shown = await engine.ask(to_engine), await server.ask(to_server)
        samples.append(_sample(direct, shown))
    engine.close()
    server.close()
    return samples


def _sample(direct: Answer, shown: Answer) -> Sample:
    deltas = list(direct.deltas())
    first_shown = next((seconds for seconds, _ in shown.deltas()), None)
    if not deltas or first_shown is None:
        raise RuntimeError(f"an answer without text: {direct.reads!r} {shown.reads!r}")
    return Sample(
        deltas[0][0], first_sentence(direct), first_shown, shown.header("x-headstart-route")
    )


def first_sentence(direct: Answer) -> float:
    """When the engine's text held its first complete sentence; its end, if it never did."""
    gate = Gate()
    for seconds, text in direct.deltas():
        gate.hold(TextDelta(text))
        if gate.sentence() is not None:
            return seconds
    return direct.reads[-1][0]


def _rows(samples: Sequence[Sample]) -> list[Row]:
    figures: dict[str, Callable[[Sample], float]] = {
        "engine, first token": lambda s: s.first_token,
        "engine, first sentence": lambda s: s.first_sentence,
        "Headstart, first shown text": lambda s: s.shown,
        "added to the first token": lambda s: s.shown - s.first_token,
        "added to the first sentence": lambda s: s.shown - s.first_sentence,
    }
    return [
        Row(what, median(values), quantiles(values, n=10)[-1])
        for what, figure in figures.items()
        if (values := [1000 * figure(sample) for sample in samples])
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="latency", description=__doc__)
    parser.add_argument("--server", help="a running Headstart, with /v1")
    parser.add_argument("--engine", help="its engine, with /v1, or unix:/path/of/socket")
    parser.add_argument("--engine-model", help="the engine's name for its model")
    parser.add_argument("--weights", default="demo", help="what to start without addresses")
    parser.add_argument("--model", default="fast", help="what Headstart is asked for")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    return parser


if __name__ == "__main__":
    main()
