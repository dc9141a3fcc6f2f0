"""How sure a model is of its first sentences: `python -m scripts.bench.confidence`.

What `[relay] min_mean_logprob` and `min_logprob` are set by. Prompts of every task are asked of the
engine the way a draft is, and each first sentence is judged as the gate judges it. Without an
address it starts the real engine with the demo model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import TypedDict

from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.card import Abilities, ModelCard
from models.chat import ChatRequest, Message, Text
from models.stream import Failed, Finished
from router.gate import Confidence, Gate
from router.providers import registry
from router.providers.base import Provider
from serving.engines.fleet import running
from serving.engines.plan import EngineSpec, inspect_machine
from serving.settings_file import environment

_PROMPTS = Path("classifier/data/own_prompts.jsonl")
_SHARES = (0.01, 0.05, 0.10, 0.50)


class _Row(TypedDict):
    prompt: str
    task: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One first sentence."""

    task: str
    sentence: str
    confidence: Confidence


def main() -> None:
    """Measure and print."""
    args = _parser().parse_args()
    samples = asyncio.run(_run(args, sample_prompts(args.each)))
    if args.list:
        for sample in sorted(samples, key=lambda s: s.confidence.minimum or 0.0):
            found = sample.confidence
            print(f"{found.minimum:7.2f} {found.mean:7.2f} {sample.task:18} {sample.sentence!r}")
    table = Table("", *(f"p{100 * share:.0f}" for share in _SHARES))
    table.title = f"{len(samples)} first sentences at temperature {args.temperature:g}"
    for task in ("", *dict.fromkeys(s.task for s in samples)):
        found = [s.confidence for s in samples if task in ("", s.task)]
        for name, values in (
            ("mean", [c.mean for c in found if c.mean is not None]),
            ("minimum", [c.minimum for c in found if c.minimum is not None]),
        ):
            table.add_row(f"{task or 'all'}, {name}", *map("{:.2f}".format, _points(values)))
    Console().print(table)


def sample_prompts(each: int) -> list[_Row]:
    """So many prompts of each task, always the same ones."""
    by_task: dict[str, list[_Row]] = {}
    for line in _PROMPTS.read_text(encoding="utf-8").splitlines():
        row: _Row = json.loads(line)
        by_task.setdefault(row["task"], []).append(row)
    chosen = random.Random(0)
    return [row for rows in by_task.values() for row in chosen.sample(rows, min(each, len(rows)))]


async def _run(args: argparse.Namespace, rows: Sequence[_Row]) -> list[Sample]:
    async with _provider(args.engine, args.engine_model) as (provider, model):
        card = ModelCard(provider="local", id=model, abilities=Abilities(logprobs=True))
        samples = [
            Sample(
                row["task"], *await first_sentence(provider, card, row["prompt"], args.temperature)
            )
            for row in track(rows, console=Console(stderr=True), transient=True)
        ]
    return [sample for sample in samples if sample.confidence.tokens]


async def first_sentence(
    provider: Provider, card: ModelCard, prompt: str, temperature: float
) -> tuple[str, Confidence]:
    """The model's first sentence as the gate finds it, and how sure of it the model is."""
    request = ChatRequest(
        model=card.id,
        messages=(Message(role="user", parts=(Text(text=prompt),)),),
        max_tokens=200,
        temperature=temperature,
        logprobs=True,
    )
    gate = Gate()
    async with aclosing(provider.stream(request, card)) as stream:
        async for events in stream:
            for event in events:
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Finished):
                    gate.finish = event
                gate.hold(event)
            if (length := gate.sentence()) is not None:
                return gate.text[:length], gate.confidence(length)
    return "", Confidence()


@asynccontextmanager
async def _provider(url: str, model: str) -> AsyncGenerator[tuple[Provider, str]]:
    if url:
        yield registry.build("local", dialect="openai", base_url=url, like="vllm"), model
        return
    env = environment()
    spec = EngineSpec(role="fast", model="demo")
    async with running([spec], inspect_machine(env), env, loopback=True) as engines:
        engine = engines["fast"]
        address = f"{engine.address.base_url}/v1"
        yield registry.build("local", dialect="openai", base_url=address, like="vllm"), engine.model


def _points(values: Sequence[float]) -> list[float]:
    hundredths = quantiles(values, n=100, method="inclusive")
    return [hundredths[round(100 * share) - 1] for share in _SHARES]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="confidence", description=__doc__)
    parser.add_argument("--engine", default="", help="a running engine, with /v1")
    parser.add_argument("--engine-model", default="", help="its name for its model")
    parser.add_argument("--each", type=int, default=12, help="prompts of each task")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--list", action="store_true", help="print every sentence")
    return parser


if __name__ == "__main__":
    main()
