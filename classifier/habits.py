"""What is usual for one engine's drafts, learned as they come: no draft needs to be judged for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from classifier.draft import FEWEST, LEAST_SPREAD, DraftJudge, DraftSignals, Usual

MEMORY = 500  # drafts of a task after which older ones fade


@dataclass(slots=True)
class _Running:
    """Mean and variance so far."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, value: float) -> None:
        """One more value; the first MEMORY count alike."""
        self.count += 1
        share = 1 / min(self.count, MEMORY)
        apart = value - self.mean
        self.mean += share * apart
        self.variance = (1 - share) * (self.variance + share * apart * apart)


class DraftHabits:
    """A judge's weights, and the usual signals of the engine that it now judges, task by task."""

    def __init__(self, judge: DraftJudge) -> None:
        """Start with what the judge knows to be usual."""
        self._judge = judge
        self._seen: dict[str, dict[str, _Running]] = {}

    @property
    def version(self) -> str:
        """Of the judge in use."""
        return self._judge.version

    def adopt(self, judge: DraftJudge) -> None:
        """Use another judge from the next draft on; what was seen of this engine stays."""
        self._judge = judge

    def note(self, task: str, signals: DraftSignals) -> None:
        """One more draft of this engine, whatever became of it."""
        running = self._seen.setdefault(task, {})
        for name, value in signals.named().items():
            if value is not None and math.isfinite(value):
                running.setdefault(name, _Running()).add(value)

    def usual(self, task: str) -> Mapping[str, Usual]:
        """What is usual for this task: seen here, else as the judge came."""
        found = {
            name: Usual(mean=seen.mean, spread=max(math.sqrt(seen.variance), LEAST_SPREAD))
            for name, seen in self._seen.get(task, {}).items()
            if seen.count >= FEWEST
        }
        return found or self._judge.usual.get(task, {})

    def p_fast(self, p_prompt: float, signals: DraftSignals, task: str) -> float:
        """The prompt's chance, moved by the draft; as it is while too few drafts have been seen."""
        judge = replace(self._judge, usual={task: self.usual(task)})
        return judge.p_fast(p_prompt, signals, task)
