"""P(fast is good enough) from which the fast tier answers: one for all tasks, and some of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from classifier.tuning.samples import Floats, Mask, Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`tasks` before `general`."""

    general: float
    tasks: Mapping[str, float] = field(default_factory=dict[str, float])

    def of(self, task: str) -> float:
        """The one that holds for this task."""
        return self.tasks.get(task, self.general)

    def column(self, tasks: NDArray[np.str_]) -> Floats:
        """The one of each row."""
        return np.array([self.of(str(task)) for task in tasks], np.float64)

    def fast(self, samples: Samples) -> Mask:
        """Which requests the fast tier would answer."""
        return samples.until >= self.column(samples.tasks)
