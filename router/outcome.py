"""What happened to one request: filled while it runs, stored when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from models.errors import HeadstartError
from models.stream import Usage
from router.gate import Confidence
from router.plan import Looks, Plan, Role, Target

Arm: TypeAlias = Literal["", "a", "b"]  # of an experiment: the threshold in force, the other one


@dataclass(slots=True, kw_only=True)
class LegRecord:
    """One model call. Times are seconds since the request came in; `None` means never."""

    role: Role
    target: Target
    opened_because: str  # "plan", or why the baton was handed over, e.g. "rate_limited"
    started: float
    first_event: float | None = None
    ended: float | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None  # None: the price is not known
    finish: str = ""  # the leg's finish reason; "stopped" when we ended it; "failed"
    error: HeadstartError | None = None
    reply_model: str = ""  # what the provider said it was
    streaming: bool = True  # False: the same model once more, in one piece, after a stall
    transcript_chars: int = 0  # length of the answer it was asked to go on from
    received_chars: int = 0  # of text, reasoning and tool arguments: what an estimate is made from
    usage_reported: bool = False


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One request from arrival to last byte."""

    id: str
    created: float  # Unix time, seconds
    dialect: str
    requested_model: str
    stream: bool
    client: str = ""  # name of the client key, never the key
    plan: Plan | None = None
    classifier: str = ""
    signals: dict[str, float] = field(default_factory=dict[str, float])
    legs: list[LegRecord] = field(default_factory=list[LegRecord])
    first_shown: float | None = None
    duration: float | None = None
    finish: str = ""  # what the client got; "" while running, "left" when the client went away
    error: HeadstartError | None = None
    shown_chars: int = 0
    saved_usd: Decimal | None = None  # against asking the first deep model alone; None: not known
    prompt: str = ""  # what the user wrote, where storing it was asked for
    embedding: bytes = b""  # of the prompt, as the classifier computed it (float32)
    form: bytes = b""  # the head's other input (float32)
    instruction: bytes = b""  # embedding of the instruction, where it is not the whole prompt
    draft: Confidence = field(default_factory=Confidence)  # of itself, when it was judged
    experiment: Arm = ""  # which threshold was tried on this request
    asked_task: str = ""  # the task that the client named
    judged_task: str = ""  # the task that the classifier saw
    asked_threshold: float | None = None  # the client's own
    looks: Looks = field(default_factory=Looks)
    fast_until: float | None = None  # see policy.fast_until
    draft_judge: str = ""  # version of the judge of drafts in force; empty: there is none

    @property
    def usage(self) -> Usage:
        """Tokens of all legs."""
        return sum((leg.usage for leg in self.legs), Usage())

    @property
    def cost_usd(self) -> Decimal | None:
        """Dollars of all legs; None when any price is unknown."""
        costs = [leg.cost_usd for leg in self.legs]
        return None if None in costs else sum((c for c in costs if c is not None), Decimal(0))
