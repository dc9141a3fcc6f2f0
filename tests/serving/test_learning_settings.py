"""[learning]: off unless set, and what cannot work is refused at the start."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.errors import ConfigError
from serving.settings import LearningSettings
from tests.fakes.fleet import claude, engine, hosted
from tests.serving.live import headstart

pytestmark = pytest.mark.anyio


def test_by_default_nobody_is_asked_twice_and_there_is_one_threshold() -> None:
    own = LearningSettings()
    assert (own.shadow_rate, own.experiment, own.judge) == (0.0, None, None)
    assert own.shadow_budget_usd == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"shadow_rate": 1.5},
        {"shadow_budget_usd": -1},
        {"judge": "claude"},
        {"experiment": {"share": 0.2}},
        {"experiment": {"threshold": 0.6, "share": 0}},
        {"experiment": {"threshold": 1.6}},
        {"shadow": 0.1},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LearningSettings.model_validate(wrong)


async def test_a_judge_that_cannot_be_asked_stops_the_start() -> None:
    async with hosted(fast=engine("Hi."), anthropic=claude("Hi.")) as fleet:
        learning = {"shadow_rate": 0.1, "judge": "nowhere/judge"}
        settings = {**fleet.settings, "learning": learning}
        with pytest.raises(ConfigError, match=r"\[learning\] judge: .*no provider"):
            async with headstart(settings):
                pass
