"""Time to the first shown text, beside asking the engine directly: `python -m scripts.bench.latency`.

Each prompt is asked of the engine and of Headstart, in changing order, one at a time. What Headstart
adds is counted twice: against the engine's first token, and against its first complete sentence,
which is what the sentence gate waits for before anything may be shown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.stream import TextDelta
from router.gate import Gate
from scripts.bench.client import Answer, chat_request, connect

_PROMPTS = (
    "What is the capital of {}?",
    "Say hello to a friend from {}.",
    "Name one famous food of {}.",
    "Which language do people speak in {}?",
    "Write one short sentence about the weather in {}.",
)
_COUNTRIES = ("France", "Japan", "Brazil", "Egypt", "Norway", "Canada", "India", "Kenya")


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
    args = _parser().parse_args()
    prompts = [
        _PROMPTS[n % len(_PROMPTS)].format(_COUNTRIES[n % len(_COUNTRIES)])
        for n in range(args.prompts)
    ]
    samples = asyncio.run(_measure(args, prompts))
    rows = _rows(samples)
    routes = Counter(sample.route for sample in samples)
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "routes": routes}))
        return
    table = Table("", "p50 ms", "p90 ms", title=f"{len(samples)} prompts, routes {dict(routes)}")
    for row in rows:
        table.add_row(row.what, f"{row.p50:,.1f}", f"{row.p90:,.1f}")
    Console().print(table)


async def _measure(args: argparse.Namespace, prompts: Sequence[str]) -> list[Sample]:
    engine, server = await connect(args.engine), await connect(args.server)
    options = {"max_tokens": args.tokens, "temperature": 0}
    samples: list[Sample] = []
    for number, prompt in enumerate(track(prompts, console=Console(stderr=True), transient=True)):
        to_engine = chat_request(args.engine, args.engine_model, prompt, **options)
        to_server = chat_request(args.server, args.model, prompt, **options)
        # Whoever comes second finds the prompt in the engine's prefix cache: warm it for both.
        await engine.ask(chat_request(args.engine, args.engine_model, prompt, max_tokens=1))
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
    parser.add_argument("--server", required=True, help="Headstart, with /v1")
    parser.add_argument("--engine", required=True, help="its engine, with /v1, or unix:/path")
    parser.add_argument("--engine-model", required=True, help="the engine's name for its model")
    parser.add_argument("--model", default="fast", help="what Headstart is asked for")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    return parser


if __name__ == "__main__":
    main()
