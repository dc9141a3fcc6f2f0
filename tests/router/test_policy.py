"""The decision table, and the laws it obeys."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from classifier.assessment import Assessment
from classifier.draft import DraftJudge, Usual
from models.card import Abilities, ModelCard
from models.chat import ChatRequest, Extension, Media, Message, ResponseFormat, Text, Tool
from models.errors import PromptTooLong, Unsupported
from models.stream import TokenLogprob
from router.gate import Bar, Confidence
from router.plan import Plan, Target
from router.policy import (
    Asked,
    FleetView,
    Rules,
    choose,
    may_draft,
    second_look,
    sure_early,
)

_LOCAL = ModelCard(
    provider="fast",
    id="small",
    window=4096,
    abilities=Abilities(prefill="continue_final_message", tools=False),
)
_FAST = Target(provider="fast", card=_LOCAL, local=True)


def _hosted(name: str, **abilities: object) -> Target:
    provider, _, model = name.partition("/")
    able = replace(Abilities(json_schema=True, vision=True), **abilities)
    return Target(
        provider=provider,
        card=ModelCard(provider=provider, id=model, window=200_000, abilities=able),
    )


_A, _B, _C = _hosted("a/one"), _hosted("b/two"), _hosted("c/three", vision=False)
_FLEET = FleetView(fast=_FAST, hosted={t.name: t for t in (_A, _B, _C)})
_RULES = Rules(
    threshold=0.55, order=("a/one", "b/two", "gone/x"), tasks={"code": ("c/three", "a/one")}
)
_AUTO = Asked(mode="auto")


def _ask(text: str = "Why is the sky blue?", **changes: Any) -> ChatRequest:
    turns = (Message(role="user", parts=(Text(text=text),)),)
    return replace(ChatRequest(model="auto", messages=turns), **changes)


def _judged(p_fast: float, task: str = "knowledge") -> Assessment:
    return Assessment(task=task, p_fast=p_fast, classifier="test")  # pyright: ignore[reportArgumentType]


def _plan(request: ChatRequest, p_fast: float = 0.3, task: str = "knowledge") -> Plan:
    return choose(request, _AUTO, _judged(p_fast, task), _FLEET, _RULES)


def test_sure_enough_stays_local() -> None:
    plan = _plan(_ask(), 0.9)
    assert (plan.route, plan.draft, plan.deep) == ("fast", _FAST, (_A, _B))
    assert plan.because == "P(fast is good enough) = 0.90 >= 0.55 for knowledge"


def test_not_sure_enough_goes_deep_behind_a_draft() -> None:
    plan = _plan(_ask(), 0.3)
    assert (plan.route, plan.draft, plan.deep, plan.rescue) == ("deep", _FAST, (_A, _B), _FAST)


def test_a_task_has_its_own_order_and_the_rest_follows() -> None:
    assert _plan(_ask(), 0.3, "code").deep == (_C, _A, _B)


def test_a_task_has_its_own_threshold() -> None:
    rules = replace(_RULES, thresholds={"code": 0.2}, tuned="2026-11-24")
    code = choose(_ask(), _AUTO, _judged(0.3, "code"), _FLEET, rules)
    other = choose(_ask(), _AUTO, _judged(0.3), _FLEET, rules)

    assert (code.route, code.threshold) == ("fast", 0.2)
    assert code.because == ("P(fast is good enough) = 0.30 >= 0.20 for code, tuned 2026-11-24")
    assert (other.route, other.threshold) == ("deep", 0.55)


def test_the_request_overrides_threshold_and_task() -> None:
    eager = _ask(headstart=Extension(threshold=0.1, task="code"))
    plan = _plan(eager, 0.3)
    assert (plan.route, plan.task, plan.threshold) == ("fast", "code", 0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": (Tool(name="read"),)},
        {"response_format": ResponseFormat(kind="json_object")},
        {"logprobs": True},
    ],
)
def test_no_draft_is_spliced_in_front_of(changes: dict[str, Any]) -> None:
    assert not may_draft(_ask(**changes))
    assert _plan(_ask(**changes), 0.3).draft is None


def test_a_local_model_without_tools_is_not_asked_to_use_them() -> None:
    plan = _plan(_ask(tools=(Tool(name="read"),)), 0.99)
    assert (plan.route, plan.draft, plan.rescue) == ("deep", None, None)
    assert "it has no tools" in plan.because


def test_an_image_goes_to_those_who_see() -> None:
    look = Message(role="user", parts=(Text(text="What is it?"), Media(kind="image", url="u")))
    plan = _plan(_ask(messages=(look,)), 0.99, "code")
    assert plan.deep == (_A, _B)
    assert plan.route == "deep"


def test_a_long_prompt_goes_by_size_and_is_never_cut() -> None:
    long = _ask("word " * 6000)
    plan = _plan(long, 0.99)
    assert plan.route == "deep"
    assert "do not fit its window of 4096" in plan.because
    with pytest.raises(PromptTooLong, match="window of 4096"):
        choose(long, _AUTO, None, FleetView(fast=_FAST), _RULES)


def test_who_failed_a_moment_ago_is_asked_last() -> None:
    tired = replace(_FLEET, resting=frozenset({"a/one"}))
    assert choose(_ask(), _AUTO, _judged(0.1), tired, _RULES).deep == (_B, _A)


def test_without_any_host_the_fast_tier_answers_and_says_why() -> None:
    plan = choose(_ask(), _AUTO, _judged(0.1), FleetView(fast=_FAST), _RULES)
    assert (plan.route, plan.because) == ("fast", "no hosted model is usable")


def test_without_anybody_the_error_names_the_way_out() -> None:
    with pytest.raises(Unsupported, match="no provider key is set"):
        choose(_ask(), _AUTO, _judged(0.1), FleetView(), _RULES)


def test_a_classifier_without_an_answer_is_no_reason_to_fail() -> None:
    plan = choose(_ask(), _AUTO, None, _FLEET, _RULES)
    assert (plan.route, plan.draft) == ("deep", _FAST)


def test_a_pinned_model_is_asked_first_and_without_a_draft() -> None:
    plan = choose(_ask(), Asked(mode="pinned", pinned=_B, equals=(_A,)), None, _FLEET, _RULES)
    assert (plan.draft, plan.deep, plan.p_fast) == (None, (_B, _A), None)


def test_an_unsure_draft_is_withdrawn() -> None:
    plan = _plan(_ask(), 0.9)
    unsure = second_look(plan, Confidence(mean=-3.0, minimum=-9.0, tokens=8), _RULES)
    assert (unsure.route, unsure.draft) == ("deep", None)
    assert unsure.because == (
        "the draft is unsure of itself for knowledge (mean log-probability -3.00 < -1.50)"
    )
    assert second_look(plan, Confidence(mean=-0.2, minimum=-1.0, tokens=8), _RULES) == plan
    assert second_look(plan, Confidence(), _RULES) == plan


def test_one_unlikely_word_is_enough_to_withdraw_a_draft() -> None:
    rules = replace(_RULES, bar=Bar(minimum=-4.0))
    slip = Confidence(mean=-0.2, minimum=-4.5, tokens=8)
    unsure = second_look(_plan(_ask(), 0.9), slip, rules)
    assert unsure.draft is None
    assert unsure.because == (
        "the draft is unsure of itself for knowledge (least likely token -4.50 < -4.00)"
    )
    assert not sure_early(_plan(_ask(), 0.9), slip, rules)


def test_a_task_may_have_a_bar_of_its_own() -> None:
    rules = replace(_RULES, bars={"code": Bar(mean=-0.8, minimum=-math.inf)})
    middling = Confidence(mean=-1.0, minimum=-50.0, tokens=8)
    knowledge, code = (_plan(_ask(), 0.9, task) for task in ("knowledge", "code"))
    assert "least likely token" in second_look(knowledge, middling, rules).because
    assert "for code (mean log-probability -1.00 < -0.80)" in (
        second_look(code, middling, rules).because
    )
    surer = replace(middling, mean=-0.7)
    assert second_look(code, surer, rules) == code
    assert sure_early(code, surer, rules)
    assert not sure_early(code, middling, rules)


def test_an_unsure_draft_is_withdrawn_when_the_classifier_gave_no_answer() -> None:
    plan = choose(_ask(), _AUTO, None, _FLEET, _RULES)
    assert second_look(plan, Confidence(mean=-3.0, tokens=8), _RULES).draft is None


def test_a_draft_that_the_client_asked_for_by_name_is_shown_as_it_is() -> None:
    plan = choose(_ask(), Asked(mode="fast"), None, _FLEET, _RULES)
    assert second_look(plan, Confidence(mean=-3.0, minimum=-30.0, tokens=8), _RULES) == plan


def test_a_fast_plan_is_shown_early_only_when_its_first_words_are_sure() -> None:
    fast, deep = _plan(_ask(), 0.9), _plan(_ask(), 0.1)
    sure = Confidence(mean=-0.5, minimum=-2.0, tokens=8)
    assert sure_early(fast, sure, _RULES)
    assert not sure_early(deep, sure, _RULES)
    assert not sure_early(fast, replace(sure, tokens=7), _RULES)
    assert not sure_early(fast, replace(sure, mean=-1.6), _RULES)
    assert not sure_early(fast, sure, replace(_RULES, early_tokens=0))


def test_where_the_prompt_leaves_doubt_the_first_sentence_is_waited_for() -> None:
    sure = Confidence(mean=-0.5, minimum=-2.0, tokens=8)
    assert not sure_early(_plan(_ask(), 0.6), sure, _RULES)
    assert sure_early(_plan(_ask(), 0.66), sure, _RULES)


def _words(logprob: float, tokens: int = 8) -> Confidence:
    return Confidence.of([TokenLogprob("w", logprob)] * tokens)


_JUDGE = DraftJudge(
    version="test",
    learned_on="test",
    weights={"mean": 1.0},
    usual={"knowledge": {"mean": Usual(mean=-0.6, spread=0.2)}},
)


def test_a_draft_that_is_surer_than_usual_is_enough_after_all() -> None:
    plan = _plan(_ask(), 0.4)
    looked = second_look(plan, _words(-0.2), _RULES, _JUDGE)
    assert (plan.route, looked.route, looked.draft) == ("deep", "fast", _FAST)
    assert looked.p_fast == pytest.approx(0.83, abs=0.01)
    assert looked.because == (
        "P(fast is good enough) = 0.40 < 0.55 for knowledge; with the draft's own words 0.83 >= 0.55"
    )


def test_a_draft_that_is_less_sure_than_usual_is_handed_over() -> None:
    looked = second_look(_plan(_ask(), 0.6), _words(-1.0), _RULES, _JUDGE)
    assert (looked.route, looked.draft) == ("deep", _FAST)
    assert looked.because.endswith("with the draft's own words 0.17 < 0.55")


def test_a_draft_under_the_bar_is_withdrawn_whatever_the_chance() -> None:
    bold = replace(_JUDGE, bias=50.0)
    assert second_look(_plan(_ask(), 0.6), _words(-1.6), _RULES, bold).draft is None


def test_what_the_judge_does_not_know_is_left_to_the_prompt() -> None:
    for plan, words in (
        (_plan(_ask(), 0.4), Confidence()),
        (_plan(_ask(), 0.4, "code"), _words(-0.2)),
        (choose(_ask(), _AUTO, None, _FLEET, _RULES), _words(-0.2)),
        (choose(_ask(), Asked(mode="fast"), None, _FLEET, _RULES), _words(-0.2)),
    ):
        assert second_look(plan, words, _RULES, _JUDGE) == plan


def _own_task(asked: str | None = None) -> Plan:
    request = _ask(headstart=Extension(task=asked))
    found = Assessment(task="code", p_fast=0.5, classifier="test", user_task="leases")
    rules = replace(_RULES, tasks={"code": ("b/two",)}, thresholds={"leases": 0.4, "chat": 0.9})
    return choose(request, _AUTO, found, _FLEET, rules)


def test_a_task_of_ones_own_has_what_is_set_for_it_and_else_what_its_like_has() -> None:
    plan = _own_task()
    assert (plan.task, plan.like, plan.route, plan.threshold) == ("leases", "code", "fast", 0.4)
    assert plan.deep[0] == _B


def test_the_clients_word_for_the_task_goes_before_the_classifiers() -> None:
    assert (_own_task("leases").like, _own_task("chat").like) == ("code", "")
    assert _own_task("chat").threshold == 0.9
