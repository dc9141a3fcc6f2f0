"""`headstart tune`: thresholds from samples, with a promise where one can be given."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from classifier.tuning.curve import what_if
from classifier.tuning.drift import shipped_baseline
from classifier.tuning.report import TuningReport, build_report
from classifier.tuning.samples import Samples
from classifier.tuning.targets import DeepShare, MaxDrop, Target, check_target, parse_budget
from classifier.tuning.thresholds import Thresholds
from models.errors import ConfigError, TuningError
from serving.cli.classifying import Classified, classify, has_judge
from serving.cli.options import Config
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.tuning import words
from serving.tuning.logs import Log, from_file, from_store
from serving.tuning.page import write_report
from serving.tuning.pricing import Pricing
from serving.tuning.retraining import from_outcomes, from_rows, retrain_all
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
    without_judge: Annotated[
        bool,
        typer.Option(
            "--without-judge",
            help="Score the prompts of --data by the embedding classifier alone. Where your server "
            "has a judge, its thresholds are others: these are not applied.",
        ),
    ] = False,
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
            help="Instead of a threshold: let the classifier's head, the judge's calibration and the "
            "weights of a draft's words learn from the server's outcomes, or the first two from --data; "
            "what is not better is not kept.",
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
    if without_judge and data is None:
        raise ConfigError(
            "--without-judge is for the prompts of --data: outcomes have their scores."
        )
    target = _target(max_drop, confidence, per_task, budget, deep_share)
    settings = load_settings(config)
    console = Console(highlight=False)
    scored = _classified(settings, data, without_judge) if data is not None else None
    if retrain:
        taught = (
            from_rows(scored.rows, scored.assessed)
            if scored is not None
            else from_outcomes(settings.outcomes.path, days)
        )
        retrain_all(console, settings, taught, write=not dry_run)
        return
    log = _from_file(settings, scored) if scored is not None else _from_store(settings, days)
    samples = Samples.of(log.samples)
    current = _current(settings, log.classifier)
    found = build_report(
        samples,
        target,
        current,
        source=log.source,
        classifier=log.classifier,
        baseline=shipped_baseline(),
        embeddings=log.embeddings,
    )
    print_summary(console, found, log.notes)
    if dry_run:
        _print_dry_run(console, settings, found, samples, data, days)
    if report is not None:
        _write_report(console, report, found, log)
    if apply:
        _apply(console, settings, found, scored)


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


def _classified(settings: Settings, data: Path, without_judge: bool) -> Classified:
    return asyncio.run(classify(settings, environment(), data, without_judge=without_judge))


def _pricing(settings: Settings) -> Pricing:
    deep, catalogue = settings.deep, plan_upstreams(settings, environment()).catalogue
    return Pricing.of(deep.preferred, deep.preferred_for, catalogue, datetime.now(UTC))


def _from_store(settings: Settings, days: float) -> Log:
    return from_store(settings.outcomes.path, days, _pricing(settings))


def _from_file(settings: Settings, scored: Classified) -> Log:
    pricing = _pricing(settings)
    log = from_file(scored.path, scored.rows, scored.assessed, scored.classifier, pricing)
    if not scored.judged:
        return log
    late = (
        f"A server decides without the judge where it takes more than {settings.deadlines.classifier:g} s "
        "(deadlines.classifier): these scores are as if it were always in time."
    )
    return replace(log, notes=(*log.notes, late))


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
        log = _from_store(settings, days)
        if log.classifier == found.classifier:
            samples, source = Samples.of(log.samples), log.source
    print_moves(console, what_if(samples, found.current, chosen), source)


def _write_report(console: Console, folder: Path, found: TuningReport, log: Log) -> None:
    page = write_report(folder, found, log.notes)
    console.print(f"\nReport: {page}", soft_wrap=True)


def _apply(
    console: Console, settings: Settings, found: TuningReport, scored: Classified | None
) -> None:
    chosen = found.choice.thresholds
    if chosen is None:
        raise TuningError("Nothing is applied: no threshold can be promised for this target.")
    if scored is not None and not scored.judged and has_judge(settings, environment()):
        raise TuningError(
            "Nothing is applied: these scores are without the judge, and your server's are with it. "
            'Leave --without-judge out, or set [classifier] model = "embedding" for the server too.'
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
