"""Learning from traffic, and the head that learned, as the settings want them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Final
from zipfile import BadZipFile

from classifier.head import Head, HeadMismatch, load
from models.catalogue import Catalogue
from models.errors import ConfigError, RequestError
from router.fleet import Fleet
from router.learning.experiment import Experiment
from router.learning.learning import Learning
from router.learning.shadow import Shadow
from router.observe import Observer
from router.outcomes import Notebook
from router.plan import Target
from serving.settings import ClassifierSettings, LearningSettings

_UNREADABLE: Final = (OSError, ValueError, KeyError, BadZipFile, EOFError)


def head_file(own: ClassifierSettings) -> bytes:
    """The head in use: the configured file, else the shipped one."""
    if own.head is None:
        return files("classifier").joinpath("data/head.npz").read_bytes()
    try:
        return own.head.read_bytes()
    except OSError as error:
        raise ConfigError(f"[classifier] head: {own.head} cannot be read: {error}.") from None


def load_head(own: ClassifierSettings) -> Head:
    """The same, ready to read."""
    try:
        return load(head_file(own))
    except HeadMismatch as error:
        raise ConfigError(f"[classifier] head: {own.head}: {error}") from None
    except _UNREADABLE as error:
        raise ConfigError(f"[classifier] head: {own.head} is no head: {error}.") from None


def build_learning(
    own: LearningSettings,
    fleet: Fleet,
    catalogue: Catalogue,
    notebook: Notebook,
    observer: Observer,
) -> Learning:
    """Feedback and implicit signals always; the rest where it is set."""
    shadow = None
    if own.shadow_rate > 0:
        shadow = Shadow(
            fleet,
            notebook,
            observer,
            rate=own.shadow_rate,
            budget_usd=Decimal(str(own.shadow_budget_usd)),
            judge=_judge(own.judge, fleet, catalogue) if own.judge else None,
            now=_now,
        )
    experiment = None
    if own.experiment is not None:
        experiment = Experiment(threshold=own.experiment.threshold, share=own.experiment.share)
    return Learning(notebook, observer, now=_now, shadow=shadow, experiment=experiment)


def _judge(name: str, fleet: Fleet, catalogue: Catalogue) -> Target:
    try:
        return fleet.pinned(name, catalogue)
    except RequestError as error:
        raise ConfigError(f"[learning] judge: {error.message}") from None


def _now() -> datetime:
    return datetime.now(UTC)
