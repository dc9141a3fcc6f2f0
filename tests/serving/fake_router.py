"""A router that plays a script: what the edge sees of the real one, without models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from decimal import Decimal

from opentelemetry.context import Context

from classifier.assessment import Assessment
from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import HeadstartError
from models.stream import Finished, StreamEvent, TextDelta, Usage, UsageReported
from router.explanation import CostEstimate, Explanation
from router.health import HealthReport
from router.learning.feedback import Said, feedback
from router.learning.records import Feedback, Known
from router.outcome import LegRecord, Outcome
from router.plan import Plan, Target
from router.router import Answer, ModelListing

FAST = Target(provider="fast", card=ModelCard(provider="fast", id="smol"), local=True)
DEEP = Target(provider="anthropic", card=ModelCard(provider="anthropic", id="claude-sonnet-5-5"))
PLAN = Plan(
    route="deep",
    because="P(fast is good enough) = 0.21 < 0.55 for code ⚡\nsecond line",
    draft=FAST,
    deep=(DEEP,),
    task="code",
    p_fast=0.21,
    threshold=0.55,
)
USAGE = Usage(input=30, output=12, cache_read=8, reasoning=2)

Batch = Sequence[StreamEvent]


def said(*texts: str) -> list[Batch]:
    """Batches of a plain answer: one per text, then usage and finish."""
    return [*([TextDelta(text)] for text in texts), [UsageReported(USAGE), Finished("stop")]]


class FakeRouter:
    """Plays `script`; waits for `release` before the batch with the index `hold_at`."""

    def __init__(
        self,
        script: Iterable[Batch] = (),
        *,
        hold_at: int | None = None,
        refuse: HeadstartError | None = None,
        crash: Exception | None = None,
    ) -> None:
        """`refuse` is raised by `answer` itself, `crash` in the middle of the events."""
        self.script = list(script)
        self.hold_at = hold_at
        self.refuse = refuse
        self.crash = crash
        self.release = asyncio.Event()
        self.holding = asyncio.Event()
        self.closed = asyncio.Event()
        self.requests: list[ChatRequest] = []
        self.clients: list[str] = []

    def answer(
        self, request: ChatRequest, *, dialect: str, client: str, trace: Context | None = None
    ) -> Answer:
        """Remember the request and begin the script."""
        if self.refuse:
            raise self.refuse
        self.requests.append(request)
        self.clients.append(client)
        outcome = Outcome(
            id="req_01",
            created=1_760_000_000.5,
            dialect=dialect,
            requested_model=request.model,
            stream=request.stream,
            client=client,
        )
        return Answer(outcome=outcome, events=self._play(outcome))

    async def _play(self, outcome: Outcome) -> AsyncGenerator[Batch, None]:
        try:
            for index, batch in enumerate(self.script):
                if index == self.hold_at:
                    self.holding.set()
                    await self.release.wait()
                outcome.plan = PLAN
                yield batch
            if self.crash:
                raise self.crash
            outcome.legs += legs()
            outcome.saved_usd = Decimal("0.0021")
        finally:
            self.closed.set()

    async def explain(self, request: ChatRequest) -> Explanation:
        """A fixed decision."""
        self.requests.append(request)
        assessment = Assessment(task="code", p_fast=0.21, classifier="fake-v1")
        estimates = (CostEstimate(target=DEEP.name, usd=Decimal("0.00123"), note=""),)
        return Explanation(assessment=assessment, plan=PLAN, estimates=estimates)

    async def feedback(self, said: Said, *, client: str) -> Feedback:
        """Store nothing."""
        known = Known(client=client, tiers=())
        return feedback(said, known, client, at=1_760_000_000.5)

    def models(self) -> tuple[ModelListing, ...]:
        """Two names."""
        return (
            ModelListing(id="auto", owned_by="headstart", window=None, note="the router decides"),
            ModelListing(id=DEEP.name, owned_by="anthropic", window=1_000_000, note=""),
        )

    def providers(self) -> dict[str, HealthReport]:
        """Nobody was asked."""
        return {}


def legs() -> list[LegRecord]:
    """A draft and the upgrade after it."""
    return [
        LegRecord(
            role="draft",
            target=FAST,
            opened_because="plan",
            started=0.0,
            first_event=0.05,
            usage=Usage(input=10, output=4),
            cost_usd=Decimal(0),
            finish="stopped",
        ),
        LegRecord(
            role="upgrade",
            target=DEEP,
            opened_because="plan",
            started=0.1,
            first_event=0.6,
            usage=Usage(input=20, output=8, cache_read=8, reasoning=2),
            cost_usd=Decimal("0.000123"),
            finish="stop",
        ),
    ]
