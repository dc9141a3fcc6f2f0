"""Who may still take the baton, in order: each is asked once (a lone busy host once more), then the local engine rescues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import (
    HeadstartError,
    Overloaded,
    ProviderError,
    ProviderStalled,
    ProviderTimeout,
    RateLimited,
)
from router.outcome import LegRecord
from router.plan import Plan, Role, Target

_BUSY_FOR = 1.0  # seconds, where a busy host does not say
_LONGEST_WAIT = 10.0  # seconds that a client is left waiting for a busy host


@dataclass(frozen=True, slots=True)
class Runner:
    """Who takes the baton, as what, and how it is asked (see OpenLeg)."""

    role: Role
    target: Target
    streaming: bool = True
    judged: bool = False


class Roster:
    """The targets of one plan that have not been asked yet."""

    def __init__(self, plan: Plan, *, exact_only: bool) -> None:
        """`exact_only`: only native prefill may go on after shown text."""
        self._plan = plan
        self._waiting = list(plan.deep)
        self._rescue = plan.rescue
        self._exact_only = exact_only
        self._asked_again = False

    def next(self, records: Sequence[LegRecord], transcript: str) -> Runner | None:
        """Who goes on from this transcript; None when only the local engine is left.

        A hosted model that stalled is asked once more, not streaming: some hosts lose streams
        that they would have answered in one piece.
        """
        plan = self._plan
        if plan.route == "fast" and plan.draft is not None and not records:
            return Runner("draft", plan.draft)
        if (
            records
            and _lost_its_stream(records[-1])
            and self._can_join(records[-1].target, transcript)
        ):
            return Runner("failover", records[-1].target, streaming=False)
        return self.next_waiting(records, transcript)

    def next_waiting(self, records: Sequence[LegRecord], transcript: str) -> Runner | None:
        """The first that was not asked yet and may go on from this transcript."""
        plan = self._plan
        deep_before = any(record.role != "draft" for record in records)
        while self._waiting:
            target = self._waiting.pop(0)
            if self._can_join(target, transcript):
                first = plan.route == "deep" and not deep_before
                return Runner("upgrade" if first else "failover", target)
        return None

    def rescue(self, records: Sequence[LegRecord], transcript: str) -> Runner | None:
        """The local engine as the last resort, once."""
        target, self._rescue = self._rescue, None
        if target is None or not self._can_join(target, transcript) or _broken(target, records):
            return None
        return Runner("rescue", target)

    def again(self, records: Sequence[LegRecord], transcript: str) -> tuple[float, Runner] | None:
        """A host that is only busy, and the seconds after which it is asked once more.

        For those who have just one: some clients give up at the first 429 that they are shown.
        """
        if self._asked_again or len(self._plan.deep) != 1:
            return None
        self._asked_again = True
        busy = [record for record in records if isinstance(record.error, RateLimited | Overloaded)]
        if not busy or not self._can_join(busy[-1].target, transcript):
            return None
        error = busy[-1].error
        wait = (error.retry_after if isinstance(error, ProviderError) else None) or _BUSY_FOR
        return (wait, Runner("failover", busy[-1].target)) if wait <= _LONGEST_WAIT else None

    def _can_join(self, target: Target, transcript: str) -> bool:
        prefills = target.card.abilities.prefill != "none"
        return prefills or not (self._exact_only and transcript)


def _lost_its_stream(record: LegRecord) -> bool:
    stalled = record.streaming and isinstance(record.error, ProviderStalled)
    return stalled and not record.target.local


def _broken(target: Target, records: Sequence[LegRecord]) -> bool:
    """True when this target failed the request already; being late once is not failing."""
    return any(
        r.target == target and r.error and not isinstance(r.error, ProviderTimeout) for r in records
    )


def cause(records: Sequence[LegRecord]) -> HeadstartError | None:
    """The failure to tell the client: the preferred model's, not that of its last substitute."""
    failed = [record for record in records if record.error]
    failed.sort(key=lambda record: record.role == "draft")
    return failed[0].error if failed else None
