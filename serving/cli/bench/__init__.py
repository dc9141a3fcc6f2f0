"""`headstart bench`: measurements that users make on their own machine."""

from __future__ import annotations

import typer

from serving.cli.bench.merge import merge

bench = typer.Typer(
    name="bench",
    help="Measure this machine with its own settings.",
    no_args_is_help=True,
)
bench.command()(merge)
