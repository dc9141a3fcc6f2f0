"""What holds for the relay whatever its legs say, and in whatever order (DESIGN: rules 1 to 4)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from models.stream import Failed, Finished, Replaced, StreamEvent
from router.deadline import Deadlines
from router.gate import Confidence
from router.plan import Plan
from router.relay import Relay
from tests.router.relay_chaos import Chaos
from tests.router.relay_world import target

_LIMITS = Deadlines(request=120.0)


@st.composite
def _plans(draw: st.DrawFn) -> Plan:
    hosts = tuple(target(name, prefill=draw(st.booleans())) for name in ("a", "b", "c"))
    fast = target("fast", local=True, logprobs=True)
    drafted = draw(st.booleans())
    return Plan(
        route=draw(st.sampled_from(["fast", "deep"])) if drafted else "deep",
        because="law",
        draft=fast if drafted else None,
        deep=hosts[: draw(st.integers(0, 3))],
        rescue=draw(st.sampled_from([None, fast])),
        merge=draw(st.sampled_from(["continue", "thinking", "revise", "hold"])),
        hedges={"a/m": draw(st.floats(0.01, 5.0))} if draw(st.booleans()) else {},
    )


def _play(plan: Plan, chance: Random, *, known: bool, refuse: bool, leave: bool) -> Chaos:
    """One request. The draft runs before its plan is known, or with it."""
    least = -4.0 * chance.random()

    def second_look(before: Plan, confidence: Confidence) -> Plan:
        if not before.deep:
            return before
        if confidence.mean is not None and confidence.mean < least:
            return replace(before, route="deep", draft=None)
        return replace(before, route=chance.choice(["fast", "deep"]))

    early = chance.randint(1, 20)
    relay = Relay(
        draft=target("fast", local=True, logprobs=True) if plan.draft or not known else None,
        plan=plan if known else None,
        deadlines=_LIMITS,
        now=0.0,
        second_look=second_look,
        sure_early=lambda before, seen: before.route == "fast" and seen.tokens >= early,
        exact_only=chance.random() < 0.2,
    )
    chaos = Chaos(relay, chance)
    chaos.run(plan, refuse=refuse, leave=leave)
    return chaos


@given(_plans(), st.randoms(use_true_random=False), st.booleans(), st.booleans(), st.booleans())
def test_whatever_the_legs_say(
    plan: Plan, random: Random, known: bool, refuse: bool, leave: bool
) -> None:
    chaos = _play(plan, Random(random.random()), known=known, refuse=refuse, leave=leave)
    chaos.check()
    if not chaos.left:
        end = chaos.shown[-1]
        assert isinstance(end, Finished | Failed)
        seen = any(not isinstance(event, Failed) for event in chaos.shown)
        assert isinstance(end, Finished) is seen
        assert not isinstance(end, Finished) or end.reason != "error"
    if plan.merge != "revise":
        assert not any(isinstance(event, Replaced) for event in chaos.shown)


def test_every_event_and_every_ending_comes_up() -> None:
    """The law above is about all of them, or it says less than it seems to."""
    heard: set[type] = set()
    shown: set[type] = set()
    finishes: set[str] = set()
    because: set[str] = set()
    roles: set[str] = set()
    left = 0
    for seed in range(600):
        chance = Random(seed)
        hosts = tuple(target(name, prefill=chance.random() < 0.5) for name in ("a", "b", "c"))
        fast = target("fast", local=True, logprobs=True)
        plan = Plan(
            route=chance.choice(["fast", "deep"]),
            because="law",
            draft=fast,
            deep=hosts[: chance.randint(0, 3)],
            rescue=fast,
            merge=chance.choice(["continue", "thinking", "revise", "hold"]),
            hedges={"a/m": 0.2},
        )
        chaos = _play(plan, chance, known=seed % 2 == 0, refuse=seed % 7 == 1, leave=seed % 5 == 0)
        chaos.check()
        heard |= chaos.kinds
        shown |= {type(event) for event in chaos.shown}
        finishes |= {record.finish for record in chaos.relay.records}
        because |= {record.opened_because for record in chaos.relay.records}
        roles |= {record.role for record in chaos.relay.records}
        left += chaos.left
    assert heard == set(get_args(StreamEvent))
    made_up = {"Alive", "Started", "UsageReported"}  # never shown: dispatch makes its own
    assert shown == {kind for kind in get_args(StreamEvent) if kind.__name__ not in made_up}
    assert finishes == {"stop", "length", "tool_calls", "content_filter", "stopped", "failed"}
    assert roles == {"draft", "upgrade", "failover", "rescue"}
    assert {"plan", "slow", "provider_stream_broken", "provider_stalled"} <= because
    assert left > 10
