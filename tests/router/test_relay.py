"""The relay, one story at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.chat import Merge
from models.errors import DeadlineExceeded, Overloaded, ProviderStalled, ProviderTimeout
from models.stream import (
    Failed,
    Finished,
    Replaced,
    TextDelta,
    ToolArgsDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from router.deadline import Deadlines
from router.gate import Confidence
from router.plan import Plan
from router.relay import Phase, Relay
from tests.router.relay_world import ANSWER, Script, World, last_error, target, world

FAST = target("fast", local=True)
A, B = target("a"), target("b", prefill=False)
FIRST_SENTENCE = ANSWER[: ANSWER.index(".") + 1]


def plan(route: str = "deep", **changes: object) -> Plan:
    base = Plan(route="deep", because="test", draft=FAST, deep=(A, B), rescue=FAST, p_fast=0.3)
    return replace(base, route=route, **changes)


def test_a_fast_plan_is_the_draft_going_on() -> None:
    made = world({"fast": Script()}, plan=None, draft=FAST)
    made.do(made.relay.decided(plan("fast"), 0.01))
    made.run()
    assert made.text == ANSWER
    assert [leg.role for leg in made.relay.records] == ["draft"]


def test_nothing_is_shown_before_a_sentence_and_a_plan_are_there() -> None:
    made = world({"fast": Script(piece=9)}, plan=None, draft=FAST)
    for _ in range(20):
        made.speak(0, 1)
    assert made.shown == []
    made.do(made.relay.decided(plan("fast"), 0.01))
    assert made.text.startswith(FIRST_SENTENCE)


def test_a_sure_fast_draft_does_not_wait_for_its_sentence() -> None:
    made = world(
        {"fast": Script(piece=4)},
        plan=None,
        draft=FAST,
        sure_early=lambda _, words: words.tokens >= 3,
    )
    made.do(made.relay.decided(plan("fast"), 0.01))
    made.speak(0, 3)
    assert made.text == ""
    made.speak(0, 1)
    assert 0 < len(made.text) < len(FIRST_SENTENCE)
    made.run()
    assert made.text == ANSWER


@pytest.mark.parametrize("merge", ["continue", "thinking", "revise", "hold"])
def test_a_first_sentence_that_is_not_good_enough_turns_a_fast_plan_deep(merge: Merge) -> None:
    made = world(
        {"fast": Script(), "a": Script()},
        plan=None,
        draft=FAST,
        second_look=lambda plan, _: replace(plan, route="deep"),
    )
    made.do(made.relay.decided(replace(plan("fast", draft=FAST), merge=merge), 0.01))
    made.run()
    assert made.text == ANSWER
    assert made.opened[1].transcript == (FIRST_SENTENCE if merge == "continue" else "")
    assert made.relay.plan is not None
    assert made.relay.plan.route == "deep"


def test_a_first_sentence_that_is_good_enough_turns_a_deep_plan_fast() -> None:
    made = world(
        {"fast": Script(), "a": Script()},
        plan=None,
        draft=FAST,
        second_look=lambda plan, _: replace(plan, route="fast"),
    )
    made.do(made.relay.decided(plan(), 0.01))
    made.run()
    assert made.text == ANSWER
    assert [leg.role for leg in made.relay.records] == ["draft"]


def test_a_deep_plan_keeps_the_first_sentence_and_hands_over() -> None:
    made = world({"fast": Script(), "a": Script()}, plan=None, draft=FAST)
    made.do(made.relay.decided(plan(), 0.01))
    made.run()
    assert made.text == ANSWER
    assert made.opened[1].transcript == FIRST_SENTENCE
    assert [(leg.role, leg.finish) for leg in made.relay.records] == [
        ("draft", "stopped"),
        ("upgrade", "stop"),
    ]


@pytest.mark.parametrize("said", [FIRST_SENTENCE, FIRST_SENTENCE + " It flows through"])
def test_a_draft_at_the_token_limit_leaves_what_it_did_not_use(said: str) -> None:
    made = world({"fast": Script(), "a": Script()}, plan=None, draft=FAST)
    made.do(made.relay.received(0, [TextDelta(said), Finished("length")], 0.01))
    made.do(made.relay.decided(plan(), 0.02))
    if said == FIRST_SENTENCE:
        assert made.shown == [TextDelta(said), Finished("length")]
    else:
        made.run()
        assert made.text == ANSWER


def test_a_late_draft_is_dropped_and_the_request_is_not() -> None:
    made = world({"fast": Script(fault="mute"), "a": Script()}, plan=None, draft=FAST)
    made.do(made.relay.decided(plan(), 0.01))
    made.run()
    assert made.text == ANSWER
    assert made.relay.records[0].error is not None
    assert made.relay.records[1].started == pytest.approx(0.2)
    assert made.relay.records[1].role == "upgrade"


def test_a_draft_that_dies_before_the_plan_waits_for_the_plan() -> None:
    made = world({"fast": Script(fault="refuse"), "a": Script()}, plan=None, draft=FAST)
    made.speak(0, 3)
    assert made.relay.phase is Phase.GATE
    made.do(made.relay.decided(plan("fast"), 0.01))
    made.run()
    assert made.text == ANSWER
    assert made.relay.records[1].opened_because == Overloaded.code


def test_an_unsure_draft_is_never_shown() -> None:
    seen: list[Confidence] = []

    def look(before: Plan, confidence: Confidence) -> Plan:
        seen.append(confidence)
        return replace(before, route="deep", draft=None)

    scripts = {"fast": Script(logprob=-4.0), "a": Script()}
    made = world(scripts, plan=None, draft=FAST, second_look=look)
    made.do(made.relay.decided(plan("fast"), 0.01))
    made.run()
    assert made.text == ANSWER
    assert made.opened[1].transcript == ""
    assert seen[0].mean == pytest.approx(-4.0)


def test_a_broken_deep_leg_hands_over_in_mid_word() -> None:
    scripts = {"fast": Script(), "a": Script(fault="break", after=40), "b": Script()}
    made = world(scripts, plan=None, draft=FAST)
    made.do(made.relay.decided(plan(), 0.01))
    made.run()
    assert made.text == ANSWER
    assert [leg.role for leg in made.relay.records] == ["draft", "upgrade", "failover"]
    assert made.relay.records[2].opened_because == "provider_stream_broken"


def test_a_stalled_leg_is_asked_once_more_in_one_piece_and_then_the_next() -> None:
    scripts = {"a": Script(fault="stall", after=30), "b": Script()}
    made = world(scripts, plan=plan(draft=None), draft=None)
    made.run()
    assert made.text == ANSWER
    first, again, _ = made.relay.records
    assert isinstance(first.error, ProviderStalled)
    assert again.started == pytest.approx(3.0)
    assert isinstance(again.error, ProviderTimeout)
    assert [(r.target.provider, r.streaming) for r in made.relay.records] == [
        ("a", True),
        ("a", False),
        ("b", True),
    ]


def test_a_code_block_that_a_broken_leg_left_open_is_closed() -> None:
    made = world({"a": Script(), "b": Script()}, plan=plan(draft=None), draft=None)
    code = "Here it is:\n```python\nprint(1)\n"
    made.do(made.relay.received(0, [TextDelta(code), Failed(Overloaded("busy"))], 0.1))
    made.do(made.relay.received(1, [TextDelta("print(1)\nprint(2)"), Finished("stop")], 0.2))
    assert made.text == code + "print(2)\n```"


def test_a_reply_in_a_code_block_of_its_own_is_unwrapped_to_its_end() -> None:
    made = world({"a": Script(), "b": Script()}, plan=plan(draft=None), draft=None)
    said = "In dry summers the water at Kaub falls"
    made.do(made.relay.received(0, [TextDelta(said + " "), Failed(Overloaded("busy"))], 0.1))
    rest = ["```\nthe water at Kaub", " falls below 40 cm.\n", "`", "``", "\n"]
    made.do(made.relay.received(1, [*map(TextDelta, rest), Finished("stop")], 0.2))
    assert made.text.rstrip() == said + " below 40 cm."


def test_an_instruction_of_our_own_is_known_when_it_is_said_again() -> None:
    made = world({"a": Script(), "b": Script()}, plan=plan(draft=None), draft=None)
    relay = Relay(
        draft=None,
        plan=plan(draft=None),
        deadlines=Deadlines(),
        now=0.0,
        second_look=lambda before, _: before,
    )
    made = World(relay, made.scripts)
    made.do(relay.start(0.0, instruction="Carry on behind “{tail}”!"))
    made.do(relay.received(0, [TextDelta("The Rhine rises "), Failed(Overloaded("busy"))], 0.1))
    again = TextDelta("Carry on behind “The Rhine rises”! in the Alps.")
    made.do(relay.received(1, [again, Finished("stop")], 0.2))
    assert made.text == "The Rhine rises in the Alps."


def test_the_local_engine_rescues_when_every_host_fails() -> None:
    broken = Script(fault="refuse")
    made = world({"fast": Script(), "a": broken, "b": broken}, plan=plan(draft=None), draft=None)
    made.run()
    assert made.text == ANSWER
    assert made.relay.records[-1].role == "rescue"


def test_when_all_fail_unseen_the_client_gets_the_preferred_models_error() -> None:
    refuse = Script(fault="refuse")
    made = world({"fast": refuse, "a": refuse, "b": Script(fault="break")}, plan=plan(), draft=FAST)
    made.run()
    error = last_error(made)
    assert isinstance(error, Overloaded)
    assert error.provider == "a"


def test_when_all_fail_after_shown_text_the_answer_ends_once_and_says_so() -> None:
    scripts = {
        "fast": Script(fault="break", after=200),
        "a": Script(fault="refuse"),
        "b": Script(fault="refuse"),
    }
    made = world(scripts, plan=None, draft=FAST)
    made.do(made.relay.decided(plan("fast"), 0.01))
    made.run()
    assert ANSWER.startswith(made.text)
    assert made.ends == [Finished("length")]
    assert made.relay.error is not None


def test_the_whole_request_has_a_deadline() -> None:
    mute = Script(fault="mute")
    made = world(
        {"fast": mute, "a": mute, "b": mute},
        plan=plan(),
        draft=FAST,
        deadlines=Deadlines(request=10.0),
    )
    made.run()
    assert isinstance(last_error(made), DeadlineExceeded)
    assert made.clock == pytest.approx(10.0)


def test_json_is_only_continued_by_native_prefill() -> None:
    scripts = {"a": Script(fault="break", after=30), "b": Script(), "fast": Script()}
    made = world(scripts, plan=plan(draft=None), draft=None, exact_only=True)
    made.run()
    assert made.text == ANSWER
    assert [leg.target.provider for leg in made.relay.records] == ["a", "fast"]


def test_a_tool_call_is_shown_whole_or_not_at_all() -> None:
    made = world({"a": Script(), "b": Script()}, plan=plan(draft=None), draft=None)
    relay = made.relay
    call = [
        ToolCallStarted(0, "c1", "read"),
        ToolArgsDelta(0, '{"path":'),
        ToolArgsDelta(0, '"x"}'),
    ]
    made.do(relay.received(0, call, 0.1))
    assert made.shown == []
    made.do(relay.received(0, [ToolCallEnded(0), Finished("tool_calls")], 0.2))
    assert made.shown == [
        ToolCallStarted(0, "c1", "read"),
        ToolArgsDelta(0, '{"path":"x"}'),
        ToolCallEnded(0),
        Finished("tool_calls"),
    ]


def test_text_held_at_a_seam_comes_before_the_tool_call() -> None:
    instructed = plan(draft=None, deep=(A, B))
    made = world({"a": Script(), "b": Script()}, plan=instructed, draft=None)
    said = "Let me look at the file first, then"
    made.do(made.relay.received(0, [TextDelta(said + " "), Failed(Overloaded("busy"))], 0.1))
    call = [ToolCallStarted(0, "c1", "read"), ToolArgsDelta(0, "{}"), ToolCallEnded(0)]
    again = TextDelta("look at the file first,")
    made.do(made.relay.received(1, [again, *call, Finished("tool_calls")], 0.2))
    kinds = [type(event) for event in made.shown]
    assert TextDelta not in kinds[kinds.index(ToolCallStarted) :]


def test_a_half_tool_call_moves_to_the_next_model_unseen() -> None:
    scripts = {"a": Script(), "b": Script()}
    made = world(scripts, plan=plan(draft=None), draft=None)
    made.do(made.relay.received(0, [ToolCallStarted(0, "c1", "read"), ToolArgsDelta(0, "{")], 0.1))
    made.running.clear()
    made.wait()
    made.run()
    assert made.text == ANSWER
    assert not any(isinstance(e, ToolCallStarted) for e in made.shown)


def test_a_short_answer_that_ends_before_its_plan_is_whole() -> None:
    made = world({"fast": Script()}, plan=None, draft=FAST)
    made.do(made.relay.received(0, [TextDelta("Yes"), Finished("stop")], 0.02))
    assert made.shown == []
    made.do(made.relay.decided(plan("fast"), 0.03))
    assert made.shown == [TextDelta("Yes"), Finished("stop")]


def test_pings_alone_do_not_keep_a_leg_for_ever() -> None:
    from models.stream import Alive

    made = world({"a": Script(), "b": Script()}, plan=plan(draft=None), draft=None)
    made.do(made.relay.received(0, [TextDelta("The Rhine ")], 0.1))
    made.running.clear()
    now = 0.1
    while made.relay.records[0].ended is None:
        now += 1.0
        made.do(made.relay.received(0, [Alive()], now))
        made.do(made.relay.tick(now))
        assert now < 20.0
    made.clock = now
    made.run()
    assert made.text == ANSWER


def _beside(merge: str, scripts: dict[str, Script]) -> World:
    made = world(scripts, plan=None, draft=FAST)
    made.speak(0, 8)  # past its first sentence
    made.do(made.relay.decided(plan(merge=merge), 0.05))
    return made


def test_thinking_shows_the_draft_as_reasoning_and_the_deep_answer_whole() -> None:
    made = _beside("thinking", {"fast": Script(), "a": Script()})
    made.speak(0, 3)
    assert made.thoughts
    assert ANSWER.startswith(made.thoughts)
    assert made.text == ""
    made.run()
    assert made.text == ANSWER
    assert made.opened[1].transcript == ""


def test_revise_shows_the_draft_and_takes_it_back_once() -> None:
    made = _beside("revise", {"fast": Script(), "a": Script()})
    assert made.text.startswith(FIRST_SENTENCE)
    made.run()
    assert made.text == ANSWER
    assert made.shown.count(Replaced(0)) == 1


def test_hold_shows_the_draft_only_when_the_deep_leg_is_late() -> None:
    in_time = _beside("hold", {"fast": Script(), "a": Script()})
    assert in_time.shown == []
    in_time.run()
    assert in_time.text == ANSWER
    assert in_time.relay.records[0].finish == "stopped"

    late = _beside("hold", {"fast": Script(), "a": Script(fault="mute"), "b": Script()})
    while late.running.get(0):
        late.speak(0, 5)
    late.run()
    assert late.text == ANSWER
    assert [leg.role for leg in late.relay.records] == ["draft", "upgrade"]
    assert late.clock == pytest.approx(15.05)


@pytest.mark.parametrize("merge", ["thinking", "revise", "hold"])
def test_a_draft_beside_is_the_answer_when_no_host_has_one(merge: str) -> None:
    refuse = Script(fault="refuse")
    made = _beside(merge, {"fast": Script(), "a": refuse, "b": refuse})
    made.run()
    assert made.text == ANSWER
    assert made.ends == [Finished("stop")]
    assert not any(isinstance(event, Replaced) for event in made.shown)


def test_a_slow_host_gets_a_rival_and_the_first_to_speak_wins() -> None:
    hedged = plan(draft=None, hedges={"a/m": 0.5})
    made = world({"a": Script(fault="mute"), "b": Script()}, plan=hedged, draft=None)
    made.speak(0, 1)
    made.running.clear()
    made.wait()
    assert made.clock == pytest.approx(0.5)
    made.run()
    assert made.text == ANSWER
    assert [(r.target.provider, r.finish, r.opened_because) for r in made.relay.records] == [
        ("a", "stopped", "plan"),
        ("b", "stop", "slow"),
    ]


def test_a_slow_host_that_speaks_first_after_all_goes_on() -> None:
    hedged = plan(draft=None, hedges={"a/m": 0.5})
    made = world({"a": Script(), "b": Script()}, plan=hedged, draft=None)
    made.clock = made.relay.wake_at
    made.do(made.relay.tick(made.clock))
    assert len(made.running) == 2
    made.speak(0, 3)
    made.run()
    assert made.text == ANSWER
    assert [r.finish for r in made.relay.records] == ["stop", "stopped"]


def test_a_rival_whose_host_fails_leaves_the_first_alone() -> None:
    hedged = plan(draft=None, hedges={"a/m": 0.5})
    made = world({"a": Script(), "b": Script(fault="refuse")}, plan=hedged, draft=None)
    made.clock = made.relay.wake_at
    made.do(made.relay.tick(made.clock))
    made.speak(1, 3)
    made.run()
    assert made.text == ANSWER
    assert [r.finish for r in made.relay.records] == ["stop", "failed"]


def test_the_only_host_is_asked_once_more_when_it_is_busy() -> None:
    alone = plan(draft=None, deep=(A,), rescue=None)
    made = world({"a": Script(fault="refuse")}, plan=alone, draft=None)
    made.speak(0, 1)
    assert (made.shown, made.relay.wake_at) == ([], pytest.approx(made.clock + 1.0))
    made.run()
    assert [leg.opened_because for leg in made.relay.records] == ["plan", "busy"]
    assert isinstance(last_error(made), Overloaded)


def test_a_busy_host_that_has_equals_is_not_waited_for() -> None:
    both = plan(draft=None, rescue=None)
    made = world({"a": Script(fault="refuse"), "b": Script(fault="refuse")}, plan=both, draft=None)
    made.run()
    assert [leg.opened_because for leg in made.relay.records] == ["plan", "provider_overloaded"]
