"""What was decided about one request, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from classifier.draft import DraftSignals
from models.card import ModelCard
from models.chat import Merge

Route = Literal["fast", "deep"]
Role = Literal["draft", "upgrade", "failover", "rescue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model at a configured provider: something a leg can be asked of.

    `stands_in_for` names the hosted model whose place the local engine takes when no key is set.
    """

    provider: str  # name in the fleet
    card: ModelCard
    local: bool = False
    stands_in_for: str = ""

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.card.id}"

    @property
    def asked_as(self) -> str:
        """The name by which configuration and clients ask for it."""
        return self.stands_in_for or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who answers.

    fast: `draft` answers; if it fails, `deep` carries on in order.
    deep: `deep` answers in order, after the first sentence of `draft` where there is one.
    `rescue` is the local engine as the last resort, where it is able.
    `hedges`: target name to the seconds after which the next one is asked beside it.
    `shares`: name to the share of such requests, for those in `deep` that have equals.
    """

    route: Route
    because: str  # one sentence for headers, logs and `headstart route`
    draft: Target | None = None
    deep: tuple[Target, ...] = ()
    rescue: Target | None = None
    merge: Merge = "continue"
    hedges: Mapping[str, float] = field(default_factory=dict[str, float])
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    task: str = "chat"
    like: str = ""  # the built-in task that it is like, where `task` is the user's own
    p_fast: float | None = None  # None: nobody was asked (the client chose)
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What both looks at a request told, whatever the threshold is: see `policy.fast_until`."""

    p_prompt: float | None = None  # P(fast is good enough) from the prompt alone
    p_draft: float | None = None  # with the draft's first sentence; None: nobody heard it
    signals: DraftSignals | None = None  # of that sentence
    early: bool = False  # its first words were sure enough to be shown at once
    held: bool = False  # the sentence is under its bar: never shown
