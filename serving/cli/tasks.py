"""`headstart tasks`: what `[classifier.tasks]` is worth, and which past requests it would move."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from classifier.embedding_classifier import load_default
from classifier.head import Floats
from classifier.prototypes import Described, Moves, UserTask, moves
from router.outcomes import SqliteOutcomes
from router.stored import StoredOutcome
from serving.cli.options import Config
from serving.settings import Settings
from serving.settings_file import load_settings

_SHOWN = 3  # moved requests that are named


def tasks(
    config: Config = None,
    last: Annotated[int, typer.Option(help="How many past requests are looked at.", min=1)] = 1000,
) -> None:
    """Show what your own tasks would recognise, and what they would change."""
    settings = load_settings(config)
    described = settings.classifier.described
    console = Console(highlight=False)
    if not described:
        console.print("No task of your own: add \\[classifier.tasks.<name>] with examples.")
        return
    built = asyncio.run(_built(described))
    past = _past(settings, last)
    changed = moves(built, _rows(past))
    for line in _lines(built, described, changed, past):
        console.print(line, markup=False, soft_wrap=True)


async def _built(described: Sequence[Described]) -> tuple[UserTask, ...]:
    classifier = load_default(described)
    try:
        return await classifier.user_tasks()
    finally:
        await classifier.aclose()


def _past(settings: Settings, last: int) -> list[StoredOutcome]:
    if not settings.outcomes.path.exists():
        return []
    store = SqliteOutcomes(settings.outcomes.path)
    try:
        return [one for one in store.recent(last) if one.embedding]
    finally:
        store.close()


def _rows(past: Sequence[StoredOutcome]) -> Floats:
    flat = np.frombuffer(b"".join(one.embedding for one in past), np.float32)
    return flat.reshape(len(past), flat.size // max(len(past), 1))


def _lines(
    built: Sequence[UserTask],
    described: Sequence[Described],
    changed: Moves,
    past: Sequence[StoredOutcome],
) -> Iterator[str]:
    for task, own in zip(built, described, strict=True):
        examples = tuple(dict.fromkeys(own.examples))
        yield (
            f"{task.name}: like {task.like}; its examples recognise {task.recognised:.0%} of each other"
            f" and {task.captured:.1%} of ordinary prompts"
        )
        moved = changed.moved[task.name]
        yield f"  would take {len(moved)} of the last {changed.rows} requests ({changed.share(task.name):.1%})"
        for at, found in moved[:_SHOWN]:
            what = past[at].prompt or past[at].id
            yield f"  {found.score:.2f} was {past[at].task}: {what!r}, near {examples[found.nearest[0]]!r}"
