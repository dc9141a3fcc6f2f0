"""`headstart`, also as `python -m serving`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from models.errors import HeadstartError
from serving.cli.bench import bench
from serving.cli.doctor import doctor
from serving.cli.models import models
from serving.cli.route import route
from serving.cli.tasks import tasks
from serving.cli.tune import tune
from serving.cli.up import up

cli = typer.Typer(
    name="headstart",
    help="First words from your own GPU, depth from the cloud: one endpoint in front of both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (up, route, tune, tasks, doctor, models):
    cli.command()(command)
cli.add_typer(bench)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; what goes wrong is one sentence on stderr and exit code 2."""
    try:
        cli(arguments)
    except HeadstartError as error:
        console = Console(stderr=True, highlight=False)
        console.print(f"headstart: {error.message}", markup=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
