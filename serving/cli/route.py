"""`headstart route "prompt"`: explain a decision without answering; no engine has to run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.chat import ChatRequest, Message, Text
from router.explanation import Explanation
from router.outcome import Outcome
from router.stored import StoredOutcome
from serving.app import build_classifier, build_router, watch_tuned
from serving.cli.options import Config
from serving.dialects.encoding import encode
from serving.engines.plan import inspect_machine, plan_engines
from serving.engines.weights import served_name
from serving.handlers import explanation_object
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.telemetry import configure
from serving.upstreams import LocalModel, build_fleet, plan_upstreams

_SHOWN = 72  # characters of a neighbouring prompt


def route(
    prompt: Annotated[str, typer.Argument(help="What a user might ask.")],
    config: Config = None,
    model: Annotated[str, typer.Option(help="The model name a client would send.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say who would answer this prompt, why, and what it would cost."""
    settings = load_settings(config)
    request = ChatRequest(model=model, messages=(Message(role="user", parts=(Text(text=prompt),)),))
    explanation = asyncio.run(_explain(settings, request))
    console = Console(highlight=False)
    if as_json:
        typer.echo(encode(explanation_object(explanation)).decode())
        return
    console.print(_decision(explanation))
    for table in (_costs, _signals, _neighbours):
        console.print()
        console.print(table(explanation))


async def _explain(settings: Settings, request: ChatRequest) -> Explanation:
    """Ask a router whose engine is assumed to be up; the embedding classifier judges."""
    env = environment()
    upstreams = plan_upstreams(settings, env)
    fast = plan_engines(settings, inspect_machine(env))[0]
    local = LocalModel(model=served_name(fast.model or "demo"), window=fast.window)
    fleet = build_fleet(upstreams, local, settings, env)
    async with AsyncExitStack() as closing:
        classifier = await build_classifier(settings, {}, env, closing)
        router = build_router(settings, upstreams, fleet, classifier, configure(env), _Forgetful())
        closing.push_async_callback(router.aclose)
        watch_tuned(settings, router, classifier)
        return await router.explain(request)


class _Forgetful:
    """An outcome store that keeps nothing: nothing is answered here."""

    stored = 0
    dropped = 0

    def record(self, outcome: Outcome) -> None:
        """Keep nothing."""

    def recent(self, limit: int = 100) -> list[StoredOutcome]:
        """Nothing was kept."""
        return []

    def close(self) -> None:
        """Nothing is open."""


def _decision(explanation: Explanation) -> Table:
    assessment, plan = explanation.assessment, explanation.plan
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_row("task", plan.task)
    table.add_row("P(fast is enough)", f"{assessment.p_fast:.2f}  ({assessment.classifier})")
    if plan.threshold is not None:
        table.add_row("threshold", f"{plan.threshold:.2f}")
    table.add_row("route", plan.route)
    table.add_row("because", plan.because)
    legs = ([plan.draft] if plan.draft else []) + list(plan.deep[:1])
    names = [f"{t.name} for {t.stands_in_for}" if t.stands_in_for else t.name for t in legs]
    if plan.route == "fast":
        names = names[:1]
    table.add_row("plan", f"{' → '.join(names)}  ({plan.merge})")
    return table


def _signals(explanation: Explanation) -> Table:
    """What went into the decision; a length or a count is shown as it is, a chance with its digits."""
    table = Table("signal", "value", box=None, pad_edge=False)
    for name, value in explanation.assessment.signals.items():
        table.add_row(name, f"{value:.0f}" if value == int(value) else f"{value:.2f}")
    return table


def _neighbours(explanation: Explanation) -> Table:
    """The training data's prompts that look most like it, and what their authors said of them."""
    table = Table("looks like", "similarity", "task", "fast enough", box=None, pad_edge=False)
    for found in explanation.neighbours:
        prompt = " ".join(found.prompt.split())
        shown = f"{prompt[:_SHOWN]}…" if len(prompt) > _SHOWN else prompt
        table.add_row(escape(shown), f"{found.similarity:.2f}", found.task, f"{found.fast:.1f}")
    return table


def _costs(explanation: Explanation) -> Table:
    shares = explanation.plan.shares
    table = Table("who could answer", "estimate", box=None, pad_edge=False)
    if shares:
        table.add_column("share of such requests")
    table.add_column("")
    for estimate in explanation.estimates:
        usd = "unknown" if estimate.usd is None else f"${estimate.usd:.6f}"
        share = shares.get(estimate.target)
        shown = ["" if share is None else f"{share:.0%}"] if shares else []
        table.add_row(estimate.target, usd, *shown, estimate.note)
    return table
