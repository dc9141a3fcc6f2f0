"""Who gets which threshold, and what two arms tell."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from models.chat import ChatRequest, Message, Text
from router.learning.experiment import Experiment, compare_arms, marked
from router.learning.samples import SampleRow
from router.policy import Rules
from tests.router.ledger_world import PLAN, ask

ROW = SampleRow(
    id="hs-1",
    created=1.0,
    task="chat",
    p_fast=0.6,
    threshold=0.55,
    route="fast",
    fast_quality=None,
    deep_quality=None,
    weight=1.0,
    rating=None,
    fast_usd=0.0,
    deep_usd=None,
    usd=0.001,
    input_tokens=1,
    output_tokens=1,
    embedding=b"",
    form=b"",
    instruction=b"",
    features="",
    classifier="",
    signals={},
    draft_mean=None,
    draft_minimum=None,
    draft_tokens=0,
    experiment="",
    asked_task="",
    p_prompt=None,
    fast_until=None,
    draft_signals=None,
    draft_judge="",
    draft_model="",
    judged_task="",
    named_task="",
    asked_threshold=None,
)


def rows(
    arm: str, ratings: list[float], *, usd: float = 0.001, unrated: int = 0
) -> list[SampleRow]:
    chance = random.Random(f"{arm}{usd}")
    rated = [
        replace(ROW, experiment=arm, rating=rating, usd=usd * chance.uniform(0.5, 1.5))
        for rating in ratings
    ]
    return rated + [replace(ROW, experiment=arm, route="deep")] * unrated


def test_the_share_is_kept_and_every_draw_is_the_same_again() -> None:
    tried = Experiment(threshold=0.65, share=0.2)
    questions = [ask(f"question {number}") for number in range(2000)]
    arms = [tried.arm(question, "laptop") for question in questions]
    assert arms == [tried.arm(question, "laptop") for question in questions]
    assert arms.count("b") / 2000 == pytest.approx(0.2, abs=0.03)
    assert arms != [tried.arm(question, "phone") for question in questions]
    assert arms != [replace(tried, threshold=0.7).arm(question, "laptop") for question in questions]


def test_a_conversation_stays_in_its_arm() -> None:
    tried = Experiment(threshold=0.65, share=0.5)
    for number in range(50):
        first = ask(f"question {number}")
        answer = Message(role="assistant", parts=(Text(text="yes"),))
        later = replace(first, messages=(*first.messages, answer, *ask("and then?").messages))
        assert tried.arm(later, "laptop") == tried.arm(first, "laptop")


def test_everybody_or_an_odd_request() -> None:
    assert Experiment(threshold=0.65, share=1.0).arm(ask(), "") == "b"
    odd = ChatRequest(model="auto", messages=())
    assert Experiment(threshold=0.65, share=0.5).arm(odd, "\udc00") in {"a", "b"}


def test_arm_b_has_its_threshold_for_every_task() -> None:
    rules = Rules(threshold=0.5, thresholds={"code": 0.9}, tuned="2026-11-24")
    tried = Experiment(threshold=0.65, share=0.2)
    assert tried.rules(rules, "a") is rules
    b = tried.rules(rules, "b")
    assert (b.threshold, b.thresholds, b.tuned) == (0.65, {}, "")
    assert b.order == rules.order


def test_a_plan_says_its_arm_where_a_threshold_decided() -> None:
    assert marked(PLAN, "b").because == "maths: 0.21 is under 0.55 (experiment, arm b)"
    assert marked(PLAN, "") is PLAN
    looked_at = replace(PLAN, because=f"{marked(PLAN, 'b').because}; with the draft's words 0.6")
    assert marked(looked_at, "b").because.count("arm b") == 1
    pinned = replace(PLAN, threshold=None)
    assert marked(pinned, "b") is pinned


def test_too_few_ratings_are_said_to_be_too_few() -> None:
    arms = compare_arms([*rows("a", [1.0] * 40), *rows("b", [0.0] * 5), ROW])
    assert arms.verdict == (
        "Not enough data to tell: 40 answers of arm a and 5 of arm b were rated, 30 each are needed."
    )
    nothing = compare_arms([])
    assert (nothing.a.requests, nothing.a.usd.value, nothing.b.rating.n) == (0, None, 0)
    assert nothing.verdict.startswith("Not enough data to tell: 0 answers")


def test_a_clear_difference_is_told_with_its_price() -> None:
    a = rows("a", [1.0] * 60 + [0.0] * 40, unrated=20)
    b = rows("b", [1.0] * 90 + [0.0] * 10, usd=0.01)
    arms = compare_arms([*a, *b])
    assert (arms.a.requests, arms.a.deep_share) == (120, pytest.approx(1 / 6))
    assert arms.b.rating.value == pytest.approx(0.9)
    assert arms.rating_difference.value == pytest.approx(0.3)
    assert arms.verdict.startswith("Arm b's answers are rated better (+0.300, 95 % interval +0.1")
    assert arms.verdict.endswith("a request more.")
    swapped = [replace(row, experiment={"a": "b", "b": "a"}[row.experiment]) for row in (*a, *b)]
    worse = compare_arms(swapped).verdict
    assert worse.startswith("Arm b's answers are rated worse (-0.300")
    assert worse.endswith("a request less.")


def test_a_difference_within_chance_is_not_told() -> None:
    a, b = rows("a", [1.0, 0.0] * 50), rows("b", [1.0] * 53 + [0.0] * 47)
    verdict = compare_arms([*a, *b]).verdict
    assert verdict.startswith("Not enough data to tell the arms' ratings apart (+0.030")
    assert verdict.endswith("no difference in cost can be told.")


def test_the_same_arms_are_rarely_told_apart() -> None:
    """At 95 % about one of twenty comparisons of equals shows a difference."""
    chance = random.Random(7)

    def draw(arm: str) -> list[SampleRow]:
        return rows(arm, [float(chance.random() < 0.7) for _ in range(100)])

    told = sum("apart" not in compare_arms([*draw("a"), *draw("b")]).verdict for _ in range(200))
    assert told <= 20
