"""An outcome store that keeps what it is given."""

from __future__ import annotations

from router.outcome import Outcome
from router.stored import StoredOutcome, stored


class MemoryOutcomes:
    """The store's interface over a list."""

    def __init__(self) -> None:
        """Start empty."""
        self.outcomes: list[Outcome] = []
        self.dropped = 0

    @property
    def stored(self) -> int:
        """How many were kept."""
        return len(self.outcomes)

    def record(self, outcome: Outcome) -> None:
        """Keep one."""
        self.outcomes.append(outcome)

    def recent(self, limit: int = 100) -> list[StoredOutcome]:
        """The newest first."""
        return [stored(outcome) for outcome in reversed(self.outcomes[-limit:])]

    def close(self) -> None:
        """Nothing to close."""
