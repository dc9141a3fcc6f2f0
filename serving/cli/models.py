"""`headstart models`: what the catalogue knows, and what can be asked."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.card import ModelCard
from models.errors import ConfigError
from models.prices import rates_at
from serving.cli.options import Config
from serving.settings_file import environment, load_settings
from serving.upstreams import LOCAL, Upstreams, plan_upstreams


def models(
    config: Config = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's models.")] = None,
) -> None:
    """List the models of the catalogue: price, window, abilities, and whether they can be asked."""
    upstreams = plan_upstreams(load_settings(config), environment())
    cards = [c for c in upstreams.catalogue.cards() if provider in (None, c.provider)]
    if not cards:
        known = sorted({card.provider for card in upstreams.catalogue.cards()})
        raise ConfigError(
            f"The catalogue has no models of {provider}: it has those of {', '.join(known)}."
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("in $/M", justify="right")
    table.add_column("out $/M", justify="right")
    table.add_column("window", justify="right")
    table.add_column("can be asked", no_wrap=True)
    table.add_column("abilities")
    for card in sorted(cards, key=lambda card: card.name):
        table.add_row(
            card.name,
            *_prices(card),
            _tokens(card.window),
            _usable(card, upstreams),
            _abilities(card),
        )
    # A pipe has no width: lines stay whole for whatever reads them.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _prices(card: ModelCard) -> tuple[str, str]:
    rates = rates_at(card, datetime.now(UTC), 0)
    return (_dollars(rates.input), _dollars(rates.output)) if rates else ("?", "?")


def _dollars(rate: Decimal | None) -> str:
    return "?" if rate is None else f"{rate.normalize():f}"


def _tokens(window: int | None) -> str:
    return "?" if window is None else f"{window:,}"


def _abilities(card: ModelCard) -> str:
    can = card.abilities
    marks = {
        "tools": can.tools,
        "json": can.json_schema,
        "vision": can.vision,
        "documents": can.documents,
        "audio": can.audio,
        "reasoning": can.reasoning,
        "prefill": can.prefill != "none",
        "logprobs": can.logprobs,
    }
    return " ".join(name for name, has in marks.items() if has)


def _usable(card: ModelCard, upstreams: Upstreams) -> str:
    if card.status == "retired":
        return "[dim]retired[/]"
    if card.provider == LOCAL:
        return "by the engine"
    missing = upstreams.unusable.get(card.provider)
    return f"[yellow]{missing}[/]" if missing else "[green]yes[/]"
