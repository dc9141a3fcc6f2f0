"""Time limits, in seconds, and the clock they are measured with (DESIGN: Deadlines)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]  # monotonic seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each thing may take before something else is done.

    fast_first_token: then the draft is dropped, never the request.
    classifier: then the embedding classifier's answer counts.
    connect: TCP and TLS to an upstream.
    deep_first_sentence: from a hosted leg's start to its first shown event; then the next one.
    stall: between two events of a leg; then the next one.
    grace: from a leg's finish reason to the end of its reply; usage comes in that time.
    request: everything together.
    """

    fast_first_token: float = 0.2
    classifier: float = 0.05
    connect: float = 2.0
    deep_first_sentence: float = 15.0
    stall: float = 3.0
    grace: float = 1.0
    request: float = 300.0
