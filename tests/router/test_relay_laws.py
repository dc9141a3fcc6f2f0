"""What must hold for the relay whatever fails when (DESIGN: rules that must hold, 1 and 2)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from models.stream import Failed, Finished, Replaced
from router.gate import Confidence
from router.plan import Plan
from tests.router.relay_world import ANSWER, Script, World, target, world

_NAMES = ("a", "b", "c")
_FAULTS = st.sampled_from(["none", "refuse", "break", "stall", "mute"])
_SCRIPTS = st.builds(
    Script,
    piece=st.integers(1, 60),
    fault=_FAULTS,
    after=st.integers(0, len(ANSWER)),
    echo=st.booleans(),
    restart=st.booleans(),
    logprob=st.floats(-5.0, 0.0),
)


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[World, Plan, int]:
    scripts = {name: draw(_SCRIPTS) for name in ("fast", *_NAMES)}
    hosted = tuple(target(name, prefill=draw(st.booleans())) for name in _NAMES)
    fast = target("fast", local=True)
    drafted = draw(st.booleans())
    route = draw(st.sampled_from(["fast", "deep"])) if drafted else "deep"
    plan = Plan(
        route="fast" if route == "fast" else "deep",
        because="law",
        draft=fast if drafted else None,
        deep=hosted[: draw(st.integers(0, 3))],
        rescue=draw(st.sampled_from([None, fast])),
        merge=draw(st.sampled_from(["continue", "thinking", "revise", "hold"])),
        hedges={"a/m": draw(st.floats(0.01, 20.0))} if draw(st.booleans()) else {},
        p_fast=0.5,
    )
    threshold = draw(st.floats(-5.0, 0.0))
    looked = draw(st.sampled_from(["fast", "deep"]))

    def second_look(before: Plan, confidence: Confidence) -> Plan:
        if not before.deep:
            return before
        if confidence.mean is not None and confidence.mean < threshold:
            return replace(before, route="deep", draft=None)
        return replace(before, route=looked)

    early = draw(st.integers(1, 50))
    known = draw(st.booleans())
    made = world(
        scripts,
        plan=plan if known else None,
        draft=fast if drafted else None,
        second_look=second_look,
        sure_early=lambda plan, seen: plan.route == "fast" and seen.tokens >= early,
    )
    return made, plan, draw(st.integers(0, 40))


@given(_worlds(), st.randoms(use_true_random=False))
def test_no_fault_schedule_repeats_drops_or_reorders_text(
    drawn: tuple[World, Plan, int], random: Random
) -> None:
    made, plan, reads_before_plan = drawn
    for _ in range(reads_before_plan):
        if made.running:
            made.speak(max(made.running), 1)
    made.do(made.relay.decided(plan, made.clock))
    made.run(random.choice)

    assert ANSWER.startswith(made.text)
    assert len(made.ends) == 1
    assert all(record.ended is not None for record in made.relay.records)
    assert made.relay.shown.text == made.text
    end = made.ends[0]
    if plan.merge != "revise":
        assert not any(isinstance(event, Replaced) for event in made.shown)
    if isinstance(end, Finished) and end.reason == "stop":
        assert made.text == ANSWER
        assert made.relay.error is None
        assert "stop" in {record.finish for record in made.relay.records}
    else:
        assert made.relay.error is not None
        assert isinstance(end, Failed) is (made.text + made.thoughts == "")


@given(_worlds())
def test_a_healthy_host_in_the_chain_always_completes_the_answer(
    drawn: tuple[World, Plan, int],
) -> None:
    made, plan, _ = drawn
    healthy = any(made.scripts[host.provider].fault == "none" for host in plan.deep)
    made.do(made.relay.decided(plan, made.clock))
    made.run()
    if healthy:
        assert made.text == ANSWER
        assert made.ends == [Finished("stop")]
