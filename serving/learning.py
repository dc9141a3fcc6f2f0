"""Learning from traffic, as the settings want it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from models.catalogue import Catalogue
from models.errors import ConfigError, RequestError
from router.fleet import Fleet
from router.learning.experiment import Experiment
from router.learning.learning import Learning
from router.learning.shadow import Shadow
from router.observe import Observer
from router.outcomes import Notebook
from router.plan import Target
from serving.settings import LearningSettings


def build_learning(
    own: LearningSettings,
    fleet: Fleet,
    catalogue: Catalogue,
    notebook: Notebook,
    observer: Observer,
    *,
    draw: Callable[[], float] = random.random,
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
    return Learning(notebook, observer, now=_now, draw=draw, shadow=shadow, experiment=experiment)


def _judge(name: str, fleet: Fleet, catalogue: Catalogue) -> Target:
    try:
        return fleet.pinned(name, catalogue)
    except RequestError as error:
        raise ConfigError(f"[learning] judge: {error.message}") from None


def _now() -> datetime:
    return datetime.now(UTC)
