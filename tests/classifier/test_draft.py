"""The draft's own signals: what is read off its tokens, and how far they move the prompt's chance."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import draft
from classifier.draft import (
    SIGNALS,
    Draft,
    DraftJudge,
    DraftSignals,
    TooFewDrafts,
    Usual,
    fit,
    load,
    load_shipped,
)
from classifier.measures import auroc, ece
from models.stream import TokenLogprob

FAIR = ((" a", math.log(0.5)), (" b", math.log(0.5)))

numbers = (
    st.none() | st.floats(-50, 50) | st.just(math.inf) | st.just(-math.inf) | st.just(math.nan)
)
signals = st.builds(DraftSignals, **dict.fromkeys(SIGNALS, numbers))


SHIPPED = replace(
    load_shipped(), usual={"code": {name: Usual(mean=-1.0, spread=0.5) for name in SIGNALS}}
)


def judge(**weights: float) -> DraftJudge:
    usual = {name: Usual(mean=-1.0, spread=0.5) for name in weights}
    return DraftJudge(version="test", learned_on="test", weights=weights, usual={"code": usual})


def test_signals_are_read_off_the_tokens() -> None:
    said = [TokenLogprob(" a", -0.5, FAIR), TokenLogprob(" b", -1.5, FAIR), TokenLogprob(".", -1.0)]
    read = DraftSignals.of(said)
    assert read.mean == pytest.approx(-1.0)
    assert read.minimum == -1.5
    assert read.total == pytest.approx(-math.sqrt(3))
    assert read.weakest == pytest.approx(-1.0)
    assert read.opening == pytest.approx(-1.0)
    assert read.deviation == pytest.approx(math.sqrt(1 / 6))
    assert read.entropy == pytest.approx(math.log(2))
    assert read.hedges == 0.0


def test_without_alternatives_the_log_probabilities_are_still_read() -> None:
    read = DraftSignals.of([TokenLogprob("Paris", -0.1), TokenLogprob(".", -0.2)])
    assert read.mean == pytest.approx(-0.15)
    assert read.entropy is None
    assert DraftSignals.of([]) == DraftSignals()


def test_the_weakest_tokens_stand_out_of_a_sure_sentence() -> None:
    said = [
        TokenLogprob("x", logprob) for logprob in (-0.1, -4.0, -0.1, -0.2, -0.1, -2.0, 0.0, 0.0)
    ]
    assert DraftSignals.of(said).weakest == pytest.approx(-6.2 / 3)
    assert DraftSignals.of(said).opening == pytest.approx(-1.1)


@pytest.mark.parametrize("logprob", [-math.inf, -9999.0])
def test_an_engines_odd_numbers_are_bounded(logprob: float) -> None:
    odd = (("a", 0.0), ("b", logprob))
    read = DraftSignals.of([TokenLogprob("a", logprob, odd)])
    assert all(math.isfinite(value) for value in read.named().values() if value is not None)


@pytest.mark.parametrize(
    ("text", "hedges"),
    [
        ("I'm not sure, but it may be Paris.", 1.0),
        ("As an AI language model, I cannot say.", 1.0),
        ("I apologize, I don't know.", 1.0),
        ("I am sorry, there is no such city.", 1.0),
        ("It depends on the year.", 1.0),
        ("The capital of France is Paris.", 0.0),
        ("Sure, it is Paris.", 0.0),
        ("Insured people do not pay.", 0.0),
    ],
)
def test_hedges_are_heard(text: str, hedges: float) -> None:
    assert DraftSignals.of([TokenLogprob(text, -1.0)]).hedges == hedges


def test_without_signals_the_prompts_chance_stands() -> None:
    heavy = replace(judge(mean=2.0, entropy=1.0), bias=1.0, prompt=0.5)
    assert heavy.p_fast(0.3, DraftSignals(), "code") == 0.3


def test_a_usual_draft_changes_nothing_and_a_missing_signal_is_usual() -> None:
    one = judge(mean=2.0, entropy=1.0)
    assert one.p_fast(0.3, DraftSignals(mean=-0.1), "poetry") == 0.3
    assert one.p_fast(0.3, DraftSignals(mean=-1.0), "code") == pytest.approx(0.3)
    assert one.p_fast(0.3, DraftSignals(mean=-1.0, entropy=-1.0), "code") == pytest.approx(0.3)


def test_the_second_look_turns_the_decision_both_ways() -> None:
    one = judge(mean=1.0)
    assert one.p_fast(0.45, DraftSignals(mean=-0.2), "code") > 0.55
    assert one.p_fast(0.65, DraftSignals(mean=-2.0), "code") < 0.55


@given(st.floats(0, 1), signals)
def test_whatever_the_engine_says_it_is_a_chance(p_prompt: float, said: DraftSignals) -> None:
    assert 0.0 <= SHIPPED.p_fast(p_prompt, said, "code") <= 1.0


@given(st.floats(0.01, 0.99), signals, st.sampled_from(sorted(SIGNALS)), st.floats(0, 20))
def test_a_surer_draft_never_lowers_the_chance(
    p_prompt: float, said: DraftSignals, name: str, more: float
) -> None:
    value = said.named()[name]
    if value is None or not math.isfinite(value) or said.mean is None:
        return
    surer = replace(said, **{name: value + SIGNALS[name] * more})
    assert SHIPPED.p_fast(p_prompt, surer, "code") >= SHIPPED.p_fast(p_prompt, said, "code") - 1e-12


def test_one_odd_token_does_not_decide_alone() -> None:
    one = judge(mean=0.5, minimum=0.5)
    odd, odder = (DraftSignals(mean=-1.0, minimum=value) for value in (-5.0, -20.0))
    assert one.p_fast(0.6, odd, "code") == one.p_fast(0.6, odder, "code")


def drafts(count: int, *, tells: bool, shift: float = 0.0, seed: int = 0) -> list[Draft]:
    """Made up: the mean log-probability tells who is right, or does not; the minimum never does."""
    dice = np.random.default_rng(seed)
    rows: list[Draft] = []
    for _ in range(count):
        sure, noise, p_prompt = dice.normal(), dice.normal(), dice.uniform(0.2, 0.8)
        chance = 1 / (1 + math.exp(-(math.log(p_prompt / (1 - p_prompt)) + 1.5 * sure * tells)))
        said = DraftSignals(mean=-1.0 + 0.3 * sure + shift, minimum=-3.0 + noise)
        rows.append(
            Draft(task="code", p_prompt=p_prompt, signals=said, good=float(dice.uniform() < chance))
        )
    return rows


def chances(one: DraftJudge, rows: Sequence[Draft]) -> list[float]:
    return [one.p_fast(row.p_prompt, row.signals, row.task) for row in rows]


def right(rows: Sequence[Draft]) -> list[float]:
    return [row.good for row in rows]


def test_fitting_learns_what_tells_and_stays_calibrated() -> None:
    one = fit(drafts(2000, tells=True), version="v", learned_on="m")
    fresh = drafts(2000, tells=True, seed=1)
    before = auroc([row.p_prompt for row in fresh], right(fresh))
    assert auroc(chances(one, fresh), right(fresh)) > before + 0.1
    assert ece(chances(one, fresh), right(fresh)) < 0.05
    assert one.weights["mean"] > 10 * one.weights["minimum"]
    assert one.weights["entropy"] == 0.0  # no draft had it


def test_signals_that_tell_nothing_change_little() -> None:
    one = fit(drafts(2000, tells=False), version="v", learned_on="m")
    assert one.prompt == pytest.approx(1.0, abs=0.25)
    assert max(one.weights.values()) < 0.15


def test_a_signal_that_points_the_wrong_way_weighs_nothing() -> None:
    wrong = [replace(row, good=1.0 - row.good, p_prompt=0.5) for row in drafts(500, tells=True)]
    assert fit(wrong, version="v", learned_on="m").weights["mean"] == 0.0


def test_another_engines_usual_is_read_off_its_drafts_alone() -> None:
    one = fit(drafts(2000, tells=True), version="v", learned_on="small")
    surer = drafts(2000, tells=True, shift=0.7, seed=2)  # a bigger model, surer of everything
    seen = [row.signals for row in surer]
    moved = one.for_engine({"code": seen, "chat": seen[: draft.FEWEST - 1]})
    assert ece(chances(moved, surer), right(surer)) < 0.05 < ece(chances(one, surer), right(surer))
    assert moved.learned_on == "small"
    assert set(moved.usual) == {"code"}  # of the other task too little is known


def test_a_prompts_chance_can_be_taken_as_it_is() -> None:
    lying = [replace(row, p_prompt=1 - row.p_prompt) for row in drafts(1000, tells=True)]
    judged = fit(lying, version="v", learned_on="m")
    trusting = fit(lying, version="v", learned_on="m", trust_prompt=True)
    assert judged.prompt == 0.0
    assert (trusting.bias, trusting.prompt) == (0.0, 1.0)
    assert trusting.weights["mean"] > 0.5


@pytest.mark.parametrize(
    "rows",
    [[], drafts(20, tells=True), [replace(row, good=1.0) for row in drafts(200, tells=True)]],
    ids=["empty", "few", "one class"],
)
def test_too_little_to_learn_from_is_said(rows: list[Draft]) -> None:
    with pytest.raises(TooFewDrafts, match=f"^{len(rows)} judged drafts"):
        fit(rows, version="v", learned_on="m")


def test_a_judge_survives_its_file() -> None:
    one = fit(drafts(300, tells=True), version="v", learned_on="m")
    assert load(json.dumps(asdict(one)).encode()) == one


def test_the_shipped_judge_says_whose_drafts_it_learned_and_trusts_the_prompt() -> None:
    shipped = load_shipped()
    assert set(shipped.weights) == set(SIGNALS)
    assert shipped.version
    assert shipped.learned_on
    assert all(weight >= 0 for weight in shipped.weights.values())
    assert (shipped.bias, shipped.prompt) == (0.0, 1.0)
    assert not shipped.usual  # another engine's would be wrong here
