"""The judge of drafts, set to the engine that runs here.

What is usual for a signal differs between engines and tasks: a 7B model is surer of every word than
the one whose drafts taught the weights. So on any other engine the judge first watches: once enough
drafts of a task were seen, their own mean and spread stand in for the learned ones. No draft needs
to be rated for that. Until then the prompt alone decides.
"""

from __future__ import annotations

from collections import deque

from classifier.draft import FEWEST, DraftJudge, DraftSignals

_REMEMBERED = 300  # drafts of a task
_EVERY = 25  # drafts between two looks at what is usual


class EngineJudge:
    """`judge` is None while nothing is known of this engine's drafts."""

    def __init__(self, learned: DraftJudge, model: str) -> None:
        """`model` is the engine's, as its card names it."""
        self._learned = learned
        self._known = learned.learned_on == model
        self._seen: dict[str, deque[DraftSignals]] = {}
        self._new = 0
        self.judge: DraftJudge | None = learned if self._known else None

    def watch(self, task: str, signals: DraftSignals) -> None:
        """One more draft's first sentence, whatever became of it."""
        if self._known or signals.mean is None:
            return
        drafts = self._seen.setdefault(task, deque(maxlen=_REMEMBERED))
        drafts.append(signals)
        self._new += 1
        if len(drafts) == FEWEST or (len(drafts) > FEWEST and self._new >= _EVERY):
            self._new = 0
            self.judge = self._learned.for_engine(self._seen)
