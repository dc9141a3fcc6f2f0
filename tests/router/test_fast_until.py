"""What is kept of one decision says what every other threshold would have decided."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import get_args

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from classifier.assessment import Assessment
from classifier.draft import DraftJudge, Usual
from models.chat import ChatRequest, Extension, Merge, Message, Text
from router.gate import Confidence
from router.plan import Looks, Plan
from router.policy import (
    NEVER,
    Asked,
    FleetView,
    Rules,
    choose,
    fast_until,
    looked,
    second_look,
    sure_early,
    sure_words,
)
from tests.router.relay_world import Script, target, world

_FAST, _DEEP = target("fast", local=True), target("a")
_FLEET = FleetView(fast=_FAST, hosted={_DEEP.name: _DEEP})
_USUAL = {"mean": Usual(mean=-0.75, spread=0.25)}
many = settings(max_examples=250)
chances = st.integers(1, 31).map(lambda n: n / 32)  # binary fractions: sums are exact


class Request:
    """One prompt and one draft, decided at any threshold by the real policy and the real relay."""

    def __init__(
        self, *, p_prompt: float, logprob: float, weight: float, merge: Merge, early_tokens: int
    ) -> None:
        self._p_prompt = p_prompt
        self._script = Script(piece=3, logprob=logprob)
        self._judge = DraftJudge(
            version="t", learned_on="t", weights={"mean": weight}, usual={"chat": _USUAL}
        )
        self._merge: Merge = merge
        self._rules = Rules(order=(_DEEP.name,), clear=0.125, early_tokens=early_tokens)
        self._looks = Looks()

    def decide(self, threshold: float) -> tuple[bool, float | None]:
        """Whether the fast tier alone answered, and until where it is said that it would."""
        rules = replace(self._rules, threshold=threshold)
        turn = Message(role="user", parts=(Text(text="Why?"),))
        ours = Extension(merge=self._merge)
        request = ChatRequest(model="auto", messages=(turn,), headstart=ours)
        judged = Assessment(task="chat", p_fast=self._p_prompt, classifier="test")
        plan = choose(request, Asked(mode="auto"), judged, _FLEET, rules)
        self._looks = Looks(p_prompt=self._p_prompt)
        made = world(
            {"fast": self._script, "a": Script()},
            plan=None,
            draft=_FAST,
            second_look=partial(self._second_look, rules),
            sure_early=partial(self._sure_early, rules),
        )
        made.do(made.relay.decided(plan, 0.01))
        made.run()
        assert made.relay.plan is not None
        fast = {leg.target.name for leg in made.relay.records} == {_FAST.name}
        return fast, fast_until(made.relay.plan, self._looks, rules)

    def _second_look(self, rules: Rules, plan: Plan, confidence: Confidence) -> Plan:
        found = second_look(plan, confidence, rules, self._judge)
        if self._looks.signals is None:
            self._looks = looked(self._looks, confidence.signals, found)
        return found

    def _sure_early(self, rules: Rules, plan: Plan, confidence: Confidence) -> bool:
        if sure_words(plan, confidence, rules):
            self._looks = replace(self._looks, early=True)
        return sure_early(plan, confidence, rules)


requests = st.builds(
    Request,
    p_prompt=chances,
    logprob=st.sampled_from([-1.8, -1.4, -1.1, -0.7, -0.1]),  # the first is under the bar
    weight=st.sampled_from([0.0, 1.0, 2.0]),
    merge=st.sampled_from(("continue", *get_args(Merge))),
    early_tokens=st.sampled_from([3, 0, 6, 20]),
)


@many
@given(requests, chances, chances)
def test_a_decision_tells_what_a_higher_threshold_would_have_done(
    request: Request, threshold: float, other: float
) -> None:
    assume(other >= threshold)
    _, until = request.decide(threshold)
    fast, again = request.decide(other)
    assert until is not None
    assert fast is (until >= other)
    assert again is not None
    assert (again >= other) is fast


@many
@given(requests, chances, chances)
def test_where_the_draft_goes_first_it_tells_it_of_lower_ones_too(
    request: Request, threshold: float, other: float
) -> None:
    request._merge = "continue"
    _, until = request.decide(threshold)
    fast, _ = request.decide(other)
    assert until is not None
    assert fast is (until >= other)


def test_what_the_fast_tier_cannot_take_it_answers_at_no_threshold() -> None:
    looks = Looks(p_prompt=0.9)
    plan = Plan(route="deep", because="", threshold=0.5, p_fast=0.9, rescue=None)
    assert fast_until(plan, looks, Rules()) == NEVER
    able = replace(plan, rescue=_FAST)
    assert fast_until(able, looks, Rules()) == 0.9
    assert fast_until(able, replace(looks, held=True), Rules()) == NEVER
    assert fast_until(replace(able, threshold=None), looks, Rules()) is None
