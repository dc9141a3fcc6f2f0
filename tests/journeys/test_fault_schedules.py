"""1,000 random fault schedules over real sockets: the client's text has no gap and no repeat.

Three hosted models in their own wire formats (Anthropic and Gemini without prefill, DeepSeek with)
and a local engine carry one known answer; each may refuse, break, stall or talk garbage anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from classifier.assessment import Assessment
from models.card import Abilities, ModelCard
from models.catalogue import Catalogue
from models.chat import ChatRequest, Message, Text
from models.stream import Failed, Finished, StreamEvent, TextDelta, UsageReported
from router.deadline import Deadlines
from router.dispatch import Dispatch
from router.fleet import Fleet
from router.observe import Observer
from router.outcome import Outcome
from router.plan import Target
from router.policy import Rules
from router.providers import registry
from router.router import Router
from tests.fakes.faults import Fault
from tests.fakes.fleet import claude, deepseek, engine, gemini
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.store import MemoryOutcomes

_ANSWER = (
    "The Rhine rises in the Alps. It flows through six countries before it reaches the sea, "
    "and 1,233 km lie between source and mouth. Barges carry ore, grain and oil on it: about "
    "300 million tonnes a year. In dry summers the water at Kaub falls below 40 cm, and then "
    "half-empty ships cost the industry dearly."
)
_REQUEST = ChatRequest(
    model="auto",
    messages=(Message(role="user", parts=(Text(text="Tell me about the Rhine."),)),),
    stream=True,
)
_SOON = Deadlines(
    fast_first_token=0.1, deep_first_sentence=0.2, stall=0.1, connect=1.0, request=20.0
)
_KINDS = st.sampled_from(
    ["reset", "close", "stall", "cut", "error", "garbage", "status", "html", "empty", "redirect"]
)
_FAULTS = st.none() | st.builds(
    Fault,
    kind=_KINDS,
    at=st.none() | st.integers(0, len(_ANSWER)),
    torn=st.booleans(),
    status=st.sampled_from([400, 429, 500, 503, 529]),
    retry_after=st.sampled_from([None, 0.0]),
)
_NO_HURRY = [HealthCheck.too_slow]
_SCHEDULES = st.fixed_dictionaries(
    dict.fromkeys(("fast", "anthropic", "gemini", "deepseek"), _FAULTS)
)


class _Judge:
    """A classifier that says what the schedule wants."""

    name = "schedule"

    def __init__(self, p_fast: float) -> None:
        self.p_fast = p_fast

    async def assess(self, request: ChatRequest) -> Assessment:
        return Assessment(task="knowledge", p_fast=self.p_fast, classifier=self.name)


class _Stage:
    """A fresh router for each schedule, over the same four fakes and connections."""

    def __init__(self, fakes: dict[str, ScriptedProvider]) -> None:
        self.fakes = fakes
        self.providers = {
            name: registry.build(
                name, base_url=fake.base_url, like="vllm" if name == "fast" else "", connect=1.0
            )
            for name, fake in fakes.items()
        }

    def router(self, p_fast: float) -> Router:
        catalogue = Catalogue.load()
        local = ModelCard(
            provider="fast",
            id="fast-model",
            window=8192,
            abilities=Abilities(prefill="continue_final_message", logprobs=True),
        )
        names = [f"{name}/{fake.model}" for name, fake in self.fakes.items() if name != "fast"]
        fleet = Fleet(
            self.providers,
            fast=Target(provider="fast", card=local, local=True),
            hosted={
                name: Target(provider=name.partition("/")[0], card=catalogue.card(name))
                for name in names
            },
        )
        return Router(
            fleet=fleet,
            catalogue=catalogue,
            classifier=_Judge(p_fast),
            rules=Rules(order=tuple(names)),
            deadlines=_SOON,
            dispatch=Dispatch(fleet),
            observer=Observer(),
            store=MemoryOutcomes(),
            aliases={},
        )

    async def play(
        self, schedule: dict[str, Fault | None], p_fast: float
    ) -> tuple[list[StreamEvent], Outcome]:
        for name, fake in self.fakes.items():
            fake.script(Turn(answer=_ANSWER, fault=schedule[name], tokens_per_chunk=3))
        answer = self.router(p_fast).answer(_REQUEST, dialect="test")
        shown = [event async for batch in answer.events for event in batch]
        return shown, answer.outcome


@asynccontextmanager
async def _stage() -> AsyncGenerator[_Stage]:
    fakes = {
        "fast": engine(_ANSWER),
        "anthropic": claude(_ANSWER),
        "gemini": gemini(_ANSWER),
        "deepseek": deepseek(_ANSWER),
    }
    async with AsyncExitStack() as stack:
        for fake in fakes.values():
            await stack.enter_async_context(fake)
        stage = _Stage(fakes)
        try:
            yield stage
        finally:
            for provider in stage.providers.values():
                await provider.aclose()


def _check(shown: list[StreamEvent], outcome: Outcome, schedule: dict[str, Fault | None]) -> None:
    text = "".join(e.text for e in shown if isinstance(e, TextDelta))
    ends = [e for e in shown if isinstance(e, Finished | Failed)]
    assert _ANSWER.startswith(text)
    assert len(ends) == 1
    assert shown[-1] is ends[0]
    assert all(leg.ended is not None for leg in outcome.legs)
    if isinstance(ends[0], Finished):
        assert sum(isinstance(e, UsageReported) for e in shown) == 1
    if isinstance(ends[0], Finished) and ends[0].reason == "stop":
        assert text == _ANSWER
    if any(schedule[name] is None for name in ("anthropic", "gemini", "deepseek")):
        assert text == _ANSWER, "a healthy host was in the chain"


@pytest.mark.timeout(300)
def test_a_thousand_fault_schedules() -> None:
    """One event loop and one set of sockets for all: what leaks in one shows in the next."""
    with asyncio.Runner() as runner:
        opened = _stage()
        stage = runner.run(opened.__aenter__())

        @settings(max_examples=1000, deadline=None, database=None, suppress_health_check=_NO_HURRY)
        @given(schedule=_SCHEDULES, p_fast=st.sampled_from([0.0, 1.0]))
        @example(schedule=dict.fromkeys(("fast", "anthropic", "gemini", "deepseek")), p_fast=0.0)
        def play(schedule: dict[str, Fault | None], p_fast: float) -> None:
            shown, outcome = runner.run(stage.play(schedule, p_fast))
            _check(shown, outcome, schedule)

        try:
            play()
            runner.run(asyncio.sleep(0.1))
            busy = sum(fake.unanswered for fake in stage.fakes.values())
            assert busy == 0, "a leg outlived its request"
            still = [t for t in asyncio.all_tasks(runner.get_loop()) if "leg" in t.get_name()]
            assert still == []
        finally:
            runner.run(opened.__aexit__(None, None, None))
