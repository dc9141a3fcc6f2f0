"""`headstart bench merge`: what draft and continuation cost, against asking the deep model alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from models.catalogue import Catalogue
from models.chat import Json, Merge
from models.errors import ConfigError, HeadstartError
from router.compare import MERGES
from serving.cards import with_own_cards
from serving.cli.bench.asking import Asking
from serving.cli.bench.measuring import Measuring
from serving.cli.bench.money import Purse
from serving.cli.bench.own import own_headstart
from serving.cli.bench.questions import Question, read_questions
from serving.cli.bench.report import caption, conclusions, dollars, left_out, remarks, table
from serving.cli.options import Config
from serving.dialects.encoding import encode
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.upstreams import plan_upstreams

_INTERRUPTED = "interrupted"


def merge(
    config: Config = None,
    way: Annotated[
        list[str] | None, typer.Option(help="Only this merge mode (repeatable). Default: all.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help='JSONL with "prompt", or one prompt a line.')
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many prompts.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Ask each so many times.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=16, help="Longest answer.")] = 256,
    url: Annotated[
        str | None, typer.Option(help="Ask this running Headstart. Default: start one.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Stop before so many US dollars are exceeded.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Paid hosts may be asked.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file.")
    ] = None,
) -> None:
    """Ask prompts of the deep model alone and in each merge mode; compare tokens and dollars.

    Without a provider key the local engine stands in for the hosted models: nothing is billed.
    """
    settings = load_settings(config)
    ways = ("deep", *_merges(way or MERGES))
    questions = read_questions(prompts)[:limit] * repeat
    _check_writable(json_file)
    headstart = _Headstart(settings, with_own_cards(Catalogue.load(), settings), max_tokens, url)
    purse = Purse(
        headstart.paid_models(questions),
        catalogue=headstart.catalogue,
        max_tokens=max_tokens,
        budget=None if budget is None else Decimal(str(budget)),
    )
    progress = Console(stderr=True, highlight=False)
    _consent(purse, [question.prompt for question in questions], len(ways), progress, yes=yes)
    measuring = Measuring(questions, ways, purse)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(headstart.measure(measuring, progress))
    except KeyboardInterrupt:
        measuring.stopped = _INTERRUPTED
    _report(measuring, max_tokens, json_file)
    if measuring.stopped == _INTERRUPTED:
        raise typer.Exit(130)


@dataclass(frozen=True, slots=True)
class _Headstart:
    """Who is asked: the running one at `url`, or one of our own with the same settings."""

    settings: Settings
    catalogue: Catalogue
    max_tokens: int
    url: str | None

    def paid_models(self, questions: Sequence[Question]) -> tuple[str, ...]:
        """Models of paid hosts that may be asked; none where the engine stands in for them."""
        if self.url is not None:
            return asyncio.run(self._ask_for_paid_models(self.url, questions))
        upstreams = plan_upstreams(self.settings, environment())
        if not upstreams.order:
            raise ConfigError("No hosted model is configured: `order` in [deep] is empty.")
        return upstreams.usable_order

    async def measure(self, measuring: Measuring, progress: Console) -> None:
        """Take all samples."""
        async with AsyncExitStack() as stack:
            url = self.url or await stack.enter_async_context(
                own_headstart(self.settings, progress)
            )
            asking = await stack.enter_async_context(self._asking(url))
            await measuring.run(asking, progress)

    async def _ask_for_paid_models(
        self, url: str, questions: Sequence[Question]
    ) -> tuple[str, ...]:
        async with self._asking(url) as asking:
            return await asking.paid_models(questions)

    def _asking(self, url: str) -> Asking:
        keys = [entry.key.get_secret_value() for entry in self.settings.server.client_keys.values()]
        return Asking(
            url,
            catalogue=self.catalogue,
            max_tokens=self.max_tokens,
            key=keys[0] if keys and self.url else "",
        )


def _merges(names: Sequence[str]) -> Iterator[Merge]:
    """The merge modes of these names."""
    for name in names:
        if name not in MERGES:
            raise ConfigError(f"`{name}` is not a merge mode; they are {', '.join(MERGES)}.")
    return (mode for mode in MERGES if mode in names)


def _check_writable(path: Path | None) -> None:
    """Refuse a file that cannot be written before anything is asked, not after."""
    if path is None:
        return
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigError(f"Cannot write the figures to {path}: {error.strerror}.") from None


def _consent(
    purse: Purse, prompts: Sequence[str], ways: int, console: Console, *, yes: bool
) -> None:
    """Say what paid hosts may bill, and go on only if that is wanted."""
    if not purse.models:
        return
    purse.check(prompts)
    asked = f"{len(prompts) * ways} requests to {' or '.join(purse.models)}"
    most = purse.estimate(prompts, ways)
    if most is None:
        console.print(f"{asked}: the price of {', '.join(purse.unpriced)} is not known.")
    else:
        console.print(
            f"{asked}: at most ${dollars(most)}, unless hosts break off and others step in."
        )
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("Paid hosts are only asked with --yes, or after a yes at a terminal.")
    typer.confirm("Go on?", abort=True, err=True)


def _report(measuring: Measuring, max_tokens: int, json_file: Path | None) -> None:
    """The table, a sentence for each way, and what to know about the figures."""
    comparison = measuring.comparison
    if json_file is not None:
        json_file.write_bytes(encode(_figures(measuring)))
    if not comparison.rows:
        nothing = f"Nothing can be compared: {' '.join(_reasons(measuring))}"
        if measuring.stopped == _INTERRUPTED:
            Console(stderr=True, highlight=False).print(nothing, markup=False, soft_wrap=True)
            return
        raise HeadstartError(nothing)
    # A pipe has no width: lines stay whole for whatever reads them.
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 200, highlight=False)
    say = partial(console.print, markup=False, soft_wrap=not terminal)
    console.print(table(comparison))
    say(caption(comparison), style="dim")
    console.print()
    for line in conclusions(comparison):
        say(line)
    console.print()
    if measuring.stopped:
        say(f"Not all prompts were asked: {measuring.stopped}.", style="yellow")
    if measuring.purse.models:
        say(f"Spent: ${dollars(measuring.purse.spent)}.", style="dim")
    for line in remarks(comparison, max_tokens):
        say(line, style="dim")


def _reasons(measuring: Measuring) -> Iterator[str]:
    """Why there is nothing to compare, and what it cost all the same."""
    if measuring.stopped:
        yield f"{measuring.stopped}."
    yield from left_out(measuring.comparison)
    if measuring.purse.spent:
        yield f"Spent: ${dollars(measuring.purse.spent)}."


def _figures(measuring: Measuring) -> Json:
    """Everything, for programs."""
    figures = asdict(measuring.comparison)
    figures["left_out"] = [
        {"way": way, "reason": reason, "requests": count}
        for (way, reason), count in measuring.comparison.left_out.items()
    ]
    return {
        **figures,
        "conclusions": list(conclusions(measuring.comparison)),
        "stopped": measuring.stopped,
        "spent_usd": measuring.purse.spent,
        "samples": measuring.samples,
    }
