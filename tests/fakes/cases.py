"""Many requests at once against one fleet, each with its own idea of how the fleet behaves.

A request's prompt names its case (`case-17`); every provider that is asked looks up what that case
wants of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

from typing_extensions import override

from tests.fakes.asked import Dialect
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import Received, Step

Casting: TypeAlias = Callable[[str], Turn]  # a provider's name to what it does
_CASE = re.compile(rb"case-(\d+)")


class Cases:
    """The cases so far, and how many requests each of them cost the providers."""

    def __init__(self) -> None:
        """None yet."""
        self.asked: Counter[int] = Counter()
        self._castings: list[Casting] = []

    def add(self, casting: Casting) -> int:
        """A new case; its number."""
        self._castings.append(casting)
        return len(self._castings) - 1

    def turn(self, request: Received, provider: str) -> Turn | None:
        """What this provider does for this request, which counts as asked."""
        found = _CASE.search(request.body)
        if found is None:
            return None
        case = int(found.group(1))
        self.asked[case] += 1
        return self._castings[case](provider)


class CaseProvider(ScriptedProvider):
    """A provider that does what each request's case wants of it."""

    def __init__(self, name: str, dialect: Dialect, cases: Cases, *, model: str) -> None:
        """`name` is what the cases know it by."""
        native = dialect in ("deepseek", "vllm")
        super().__init__(dialect, "", model=model, prefill=native)
        self._name = name
        self._cases = cases

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        """As scripted for the case."""
        if turn := self._cases.turn(request, self._name):
            self.script(turn)
        return super().respond(request)
