"""`headstart tune`: thresholds from samples, with a promise where one can be given."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from classifier.tuning.curve import what_if
from classifier.tuning.drift import shipped_baseline
from classifier.tuning.report import TuningReport, build_report
from classifier.tuning.samples import Samples
from classifier.tuning.targets import DeepShare, MaxDrop, Target, check_target, parse_budget
from classifier.tuning.thresholds import Thresholds
from models.errors import ConfigError, TuningError
from serving.app import build_classifier
from serving.cli.options import Config
from serving.engines.plan import inspect_machine, plan_engines
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.tuning import words
from serving.tuning.jsonl import read_rows, refuse_foreign_scores
from serving.tuning.logs import Log, Pricing, from_file, from_store
from serving.tuning.page import write_report
from serving.tuning.retraining import retrain_head
from serving.tuning.summary import print_moves, print_summary
from serving.tuning.tuned import Tuned, read_tuned, write_tuned
from serving.upstreams import plan_upstreams

_TARGET: Final = "What to aim at (one of them)"
_AFTER: Final = "What to do with it"


def tune(
    config: Config = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help='Prompts with scores, one per line: {"prompt": "…", "fast": 0.8, "deep": 1.0}. '
            "Default: the server's own outcomes.",
        ),
    ] = None,
    days: Annotated[
        float, typer.Option(min=0.01, help="How far to look back in the server's outcomes.")
    ] = 7.0,
    max_drop: Annotated[
        float | None,
        typer.Option(
            help="Lose at most this much quality against the deep tier alone. Default: 0.01.",
            rich_help_panel=_TARGET,
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="How sure the promise must be.", rich_help_panel=_TARGET)
    ] = 0.95,
    per_task: Annotated[
        bool,
        typer.Option("--per-task", help="Promise it in each task.", rich_help_panel=_TARGET),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="DOLLARS/day",
            help="Spend at most this: 50/day, 300/week.",
            rich_help_panel=_TARGET,
        ),
    ] = None,
    deep_share: Annotated[
        float | None,
        typer.Option(
            help="Send at most this share to the deep tier: 0.3.", rich_help_panel=_TARGET
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write report.html with plots, and each plot as PNG.",
            rich_help_panel=_AFTER,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what the last days' traffic would have done and cost; change nothing.",
            rich_help_panel=_AFTER,
        ),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Put the thresholds in force; a running server takes them at once.",
            rich_help_panel=_AFTER,
        ),
    ] = False,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Instead of a threshold: let the classifier's head learn from the server's outcomes; "
            "one that is not better is not kept.",
            rich_help_panel=_AFTER,
        ),
    ] = False,
) -> None:
    """Choose the threshold from your own prompts or traffic, with a promise about quality.

    For example:

      headstart tune --data my.jsonl --max-drop 0.01

      headstart tune --budget 50/day --dry-run

      headstart tune --data my.jsonl --max-drop 0.02 --report tuning --apply
    """
    if apply and dry_run:
        raise ConfigError("--apply changes thresholds and --dry-run must not: choose one.")
    if retrain and data is not None:
        raise ConfigError("--retrain learns from the server's outcomes: leave --data out.")
    target = _target(max_drop, confidence, per_task, budget, deep_share)
    settings = load_settings(config)
    console = Console(highlight=False)
    if retrain:
        retrain_head(console, settings, days, write=not dry_run)
        return
    log = asyncio.run(_log(settings, data, days))
    samples = Samples.of(log.samples)
    current = _current(settings, log.classifier)
    baseline = shipped_baseline()
    found = build_report(
        samples,
        target,
        current,
        source=log.source,
        classifier=log.classifier,
        baseline=baseline if baseline.classifier == log.classifier else None,
    )
    print_summary(console, found, log.notes)
    if dry_run:
        _print_dry_run(console, settings, found, samples, data, days)
    if report is not None:
        _write_report(console, report, found, log)
    if apply:
        _apply(console, settings, found, data)


def _target(
    max_drop: float | None,
    confidence: float,
    per_task: bool,
    budget: str | None,
    deep_share: float | None,
) -> Target:
    given = [value for value in (max_drop, budget, deep_share) if value is not None]
    if len(given) > 1:
        raise ConfigError("Choose one target: --max-drop, --budget or --deep-share.")
    if per_task and (budget is not None or deep_share is not None):
        raise ConfigError("--per-task goes with --max-drop: it promises the drop in each task.")
    target: Target
    if budget is not None:
        target = parse_budget(budget)
    elif deep_share is not None:
        target = DeepShare(share=deep_share)
    else:
        drop = 0.01 if max_drop is None else max_drop
        target = MaxDrop(drop=drop, confidence=confidence, by_task=per_task)
    check_target(target)
    return target


async def _log(settings: Settings, data: Path | None, days: float) -> Log:
    env = environment()
    upstreams = plan_upstreams(settings, env)
    pricing = Pricing.of(upstreams.order, upstreams.catalogue, datetime.now(UTC))
    if data is None:
        return from_store(settings.outcomes.path, days, pricing)
    rows = read_rows(data)
    async with AsyncExitStack() as closing:
        classifier = await build_classifier(settings, {}, env, closing)
        refuse_foreign_scores(rows, classifier.name)
        total = sum(row.to_classify for row in rows)
        bar = closing.enter_context(_bar(total))
        task = bar.add_task("classifying", total=total)
        return await from_file(data, rows, classifier, pricing, lambda: bar.advance(task))


def _bar(total: int) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (total and console.is_terminal),
    )


def _current(settings: Settings, classifier: str) -> Thresholds:
    """What a server with these settings decides by: tuned thresholds before the configured ones."""
    own = settings.classifier
    configured = Thresholds(general=own.threshold, tasks=own.thresholds)
    if not own.tuned.is_file():
        return configured
    tuned = read_tuned(own.tuned)
    if tuned.classifier != classifier:
        return configured
    return Thresholds(general=tuned.threshold, tasks=tuned.thresholds)


def _print_dry_run(
    console: Console,
    settings: Settings,
    found: TuningReport,
    samples: Samples,
    data: Path | None,
    days: float,
) -> None:
    """On the server's traffic; on the file's own prompts where no server has stored any."""
    chosen = found.choice.thresholds
    if chosen is None:
        return
    source = found.source
    if data is not None and settings.outcomes.path.is_file():
        log = asyncio.run(_log(settings, None, days))
        if log.classifier == found.classifier:
            samples, source = Samples.of(log.samples), log.source
    print_moves(console, what_if(samples, found.current, chosen), source)


def _write_report(console: Console, folder: Path, found: TuningReport, log: Log) -> None:
    page = write_report(folder, found, log.notes)
    console.print(f"\nReport: {page}", soft_wrap=True)


def _apply(console: Console, settings: Settings, found: TuningReport, data: Path | None) -> None:
    chosen = found.choice.thresholds
    if chosen is None:
        raise TuningError("Nothing is applied: no threshold can be promised for this target.")
    env = environment()
    specs = plan_engines(settings, inspect_machine(env))
    if data is not None and any(spec.role == "classifier" for spec in specs):
        raise TuningError(
            "Nothing is applied: your server's scores come from the judge too, which did not run "
            "here. Tune on the server's own outcomes (without --data), or set [classifier] model = "
            '"embedding".'
        )
    path = settings.classifier.tuned
    write_tuned(
        path,
        Tuned(
            classifier=found.classifier,
            threshold=chosen.general,
            thresholds={**chosen.tasks},
            written=datetime.now(UTC),
            samples=found.quality.samples if found.quality else found.requests,
            because=words.promise(found),
        ),
    )
    console.print(
        f"\nApplied: {path.resolve()} is written; a server that runs in this folder takes it within "
        "a second. Delete the file to go back.",
        soft_wrap=True,
    )
