"""Classifying a file of prompts as the server would: with its judge, or a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from classifier.assessment import Classifier
from classifier.judge import JudgeUnclear
from models.errors import ConfigError, EngineError, TuningError
from serving.app import build_classifier
from serving.cli.progress import EngineProgress
from serving.engines.attached import Attached
from serving.engines.engine import Engine, Role
from serving.engines.fleet import running
from serving.engines.plan import EngineSpec, Machine, inspect_machine, plan_judge
from serving.settings import Settings
from serving.tuning.jsonl import (
    Assessed,
    Row,
    assess_rows,
    prompts,
    read_rows,
    refuse_foreign_scores,
)

_WAIT: Final = 5.0  # seconds: it runs, or it does not
_WITHOUT: Final = (
    "or add --without-judge to score by the embedding classifier alone, which cannot be applied."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The rows of a file, what was said of their prompts, and by whom."""

    path: Path
    rows: Sequence[Row]
    assessed: Assessed
    classifier: str
    judged: bool  # whether a judge said it too


def has_judge(settings: Settings, env: Mapping[str, str]) -> bool:
    """Whether a server with these settings decides by a judge's scores too."""
    return plan_judge(settings, inspect_machine(env)) is not None


async def classify(
    settings: Settings, env: Mapping[str, str], path: Path, *, without_judge: bool
) -> Classified:
    """Score the file's prompts, with a bar for a person who waits.

    Raises `TuningError` when the judge cannot be asked: without it the scores would not be those
    that the server decides by.
    """
    rows = read_rows(path)
    total = len(prompts(rows))
    async with AsyncExitStack() as closing:
        engines: Mapping[Role, Engine] = {}
        if not without_judge:
            engines = await _judge(settings, env, closing)
        bar = closing.enter_context(_bar(total))
        task = bar.add_task("classifying", total=total)
        classifier = await _classifier(settings, engines, env, closing)
        refuse_foreign_scores(rows, classifier.name)
        return Classified(
            path=path,
            rows=rows,
            assessed=await assess_rows(rows, classifier, lambda: bar.advance(task)),
            classifier=classifier.name,
            judged=bool(engines),
        )


async def _classifier(
    settings: Settings,
    engines: Mapping[Role, Engine],
    env: Mapping[str, str],
    closing: AsyncExitStack,
) -> Classifier:
    try:
        return await build_classifier(settings, engines, env, closing, patient=True)
    except (httpx.HTTPError, JudgeUnclear) as error:
        why = (f"{error}" or type(error).__name__).splitlines()[0]
        raise TuningError(
            f"Your server's judge cannot judge: {why}. Correct [classifier], {_WITHOUT}"
        ) from error


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


async def _judge(
    settings: Settings, env: Mapping[str, str], closing: AsyncExitStack
) -> Mapping[Role, Engine]:
    """The judge's engine until `closing` ends; none where the embedding classifier judges."""
    machine = inspect_machine(env)
    spec = plan_judge(settings, machine)
    if spec is None:
        return {}
    if spec.url is not None:
        return {"classifier": await _attached(spec, spec.url, env, closing)}
    return await _started(spec, machine, env, closing)


async def _attached(
    spec: EngineSpec, url: str, env: Mapping[str, str], closing: AsyncExitStack
) -> Engine:
    key = env.get(spec.api_key_env) if spec.api_key_env else None
    engine = Attached(url, role=spec.role, model=spec.model, api_key=key)
    closing.push_async_callback(engine.stop)
    try:
        await engine.ensure_ready(_WAIT)
    except EngineError as error:
        raise TuningError(
            f"Your server's judge does not answer. {error.message} Start it, correct [classifier] url, "
            f"{_WITHOUT}"
        ) from error
    return engine


async def _started(
    spec: EngineSpec, machine: Machine, env: Mapping[str, str], closing: AsyncExitStack
) -> Mapping[Role, Engine]:
    """The server's own one is on a socket that only the server knows, so another is started."""
    what = f"Your server's judge, {spec.model}, has to be started for this, and"
    if machine.build is None:
        raise TuningError(f"{what} no engine is installed: run ./scripts/install, {_WITHOUT}")
    try:
        with EngineProgress(Console(stderr=True)) as progress:
            engines = running([spec], machine, env, on_progress=progress.tell)
            return await closing.enter_async_context(engines)
    except (ConfigError, EngineError) as error:
        why = error.message.splitlines()[0]
        raise TuningError(
            f"{what} that failed: {why} If your server runs and takes the room, stop it meanwhile or "
            f"tune on its own outcomes (leave --data out), {_WITHOUT}"
        ) from error
