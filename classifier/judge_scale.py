"""What the judge's yes is worth: Platt's sigmoid on its logit, and where it is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from classifier.calibrate import Platt

_KEY: Final = "judges"  # in the head's `meta`: the name of a judge -> its table


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeScale:
    """One sigmoid for all requests, and others for the tasks whose verdicts ask for one."""

    pooled: Platt = Platt()  # noqa: RUF009 - frozen
    tasks: Mapping[str, Platt] = field(default_factory=dict[str, Platt])

    def __call__(self, logit: float, task: str) -> float:
        """The chance that the fast tier is enough, where the judge takes the request for `task`."""
        return float(self.tasks.get(task, self.pooled)(logit))


def scale_of(meta: Mapping[str, Any], judge: str) -> JudgeScale:
    """The scale of the judge of this name: another model's logits mean something else."""
    table = meta.get(_KEY, {}).get(judge)
    if table is None:
        return JudgeScale(pooled=Platt(**meta["judge"]))
    tasks = {task: Platt(**pair) for task, pair in table["tasks"].items()}
    return JudgeScale(pooled=Platt(**table["pooled"]), tasks=tasks)


def with_scale(meta: Mapping[str, Any], judge: str, scale: JudgeScale) -> dict[str, Any]:
    """The entry of `meta` in which this judge has this scale, and other judges keep theirs."""
    table = {
        "pooled": _pair(scale.pooled),
        "tasks": {task: _pair(platt) for task, platt in scale.tasks.items()},
    }
    return {_KEY: {**meta.get(_KEY, {}), judge: table}}


def _pair(platt: Platt) -> dict[str, float]:
    return {"scale": platt.scale, "shift": platt.shift}
