"""`headstart tune --retrain`: a head that learned from the server's outcomes, kept if it is better."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from classifier.retrain import keep, retrain
from models.errors import ConfigError
from router.learning.lessons import lessons
from router.learning.samples import read_samples
from serving.learning import head_file
from serving.settings import Settings

_NEW: Final = Path("headstart.head.npz")  # where no head is configured yet


def retrain_head(console: Console, settings: Settings, days: float, *, write: bool) -> None:
    """Learn, say what it is worth, and write a better one; the old one stays beside it."""
    now = datetime.now(UTC)
    own = settings.classifier
    rows = read_samples(settings.outcomes.path, (now - timedelta(days=days)).timestamp())
    found = retrain(head_file(own), lessons(rows), at=now)
    console.print(found.sentence, soft_wrap=True)
    if not (found.better and write):
        console.print("Nothing is changed.")
        return
    path = own.head or _NEW
    try:
        old = keep(path, found.data, now)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}.") from error
    console.print(f"Written: {path.resolve()}", soft_wrap=True)
    if old is not None:
        console.print(f"The old head is kept as {old}.", soft_wrap=True)
    if own.head is None:
        line = f'head = "{path}"'
        console.print(f"Add to [classifier] in headstart.toml: {line}", markup=False)
    console.print(
        "A restart takes it. Thresholds are of the old scores: tune again once it has judged some "
        "traffic.",
        soft_wrap=True,
    )
