"""Kinds and slopes: what is stored comes back, and fitting finds what was put in."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.bag import BUCKETS, bag
from classifier.calibrate import Isotonic
from classifier.quality import KIND_BUCKETS, Kinds, Quality, Words, arrays_of, quality_of

pytest.importorskip("sklearn", reason="the train group is not installed")

from classifier.features import FORM_NAMES
from classifier.measures import auroc
from classifier.text import Ask
from scripts.training.evaluate import Judged, interval, mean_within, pair_figures, routed, within
from scripts.training.quality import Crossed, Material, cross_fit, fit_kinds, fit_quality
from scripts.training.rows import Labelled, Outcome

HALVES = Isotonic(scores=np.array([-1.0, 1.0]), values=np.array([0.0, 1.0]))


def outcome(benchmark: str, fast: float, deep: float, number: int) -> Outcome:
    return Outcome(
        ask=Ask(text=f"{benchmark} {number}"),
        benchmark=benchmark,
        fast=fast,
        deep=deep,
        scores=(fast, deep),
        fold=number % 5,
    )


def world(rows: int = 900) -> tuple[list[Outcome], NDArray[np.float32]]:
    """Three kinds along the first inputs; the last input says how hard a question is for its kind."""
    dice = np.random.default_rng(1)
    pair: list[Outcome] = []
    x = dice.normal(size=(rows, 6)).astype(np.float32)
    for number in range(rows):
        kind = number % 3
        x[number, kind] += 6
        chance = 1 / (1 + np.exp(2 * x[number, 5] - (kind - 1)))
        fast = float(dice.random() < chance)
        pair.append(outcome(f"kind {kind}", fast, max(fast, float(kind == 0)), number))
    return pair, x


def some_kinds(dice: np.random.Generator) -> Kinds:
    """Four inputs, three kinds, and words that say something."""

    def drawn(*shape: int) -> NDArray[np.float32]:
        return dice.normal(size=shape).astype(np.float32)

    return Kinds(
        weights=drawn(4, 3),
        bias=drawn(3),
        offsets=drawn(3, 2),
        slopes=drawn(3, 4, 2),
        words=Words(
            rarity=np.abs(drawn(BUCKETS)), kinds=drawn(KIND_BUCKETS, 3), slopes=drawn(BUCKETS, 2)
        ),
    )


def test_what_is_stored_comes_back() -> None:
    dice = np.random.default_rng(0)
    kinds = some_kinds(dice)
    quality = Quality(kinds=kinds, enough=HALVES, right=HALVES)
    again = quality_of(arrays_of(quality))
    x = dice.normal(size=(3, 4)).astype(np.float32)
    bags = [bag("How many apples are left?"), bag(""), bag("write a poem")]
    assert again.kinds(x, bags) == pytest.approx(kinds(x, bags), abs=0.02)  # half precision
    assert again.enough(0.0) == 0.5


def test_rows_do_not_depend_on_what_stands_beside_them() -> None:
    dice = np.random.default_rng(4)
    kinds, x = some_kinds(dice), dice.normal(size=(3, 4)).astype(np.float32)
    bags = [bag("one text"), bag("another one"), bag("")]
    alone = [kinds(x[at : at + 1], bags[at : at + 1])[0] for at in range(3)]
    assert kinds(x, bags) == pytest.approx(np.stack(alone), abs=1e-5)


def test_a_larger_gain_is_a_smaller_chance_that_fast_is_enough() -> None:
    """One kind, no slope for fast quality: the chances are functions of the two raw numbers."""
    chances = [
        Quality(
            kinds=Kinds(
                weights=np.zeros((1, 1), np.float32),
                bias=np.zeros(1, np.float32),
                offsets=np.array([[0.2, gain]], np.float32),
                slopes=np.zeros((1, 1, 2), np.float32),
                words=Words(
                    rarity=np.ones(BUCKETS, np.float32),
                    kinds=np.zeros((KIND_BUCKETS, 1), np.float32),
                    slopes=np.zeros((BUCKETS, 2), np.float32),
                ),
            ),
            enough=HALVES,
            right=HALVES,
        ).read(np.zeros(1, np.float32), "whatever")
        for gain in (-0.5, 0.0, 0.5)
    ]
    assert [c.p_fast for c in chances] == pytest.approx([0.75, 0.5, 0.25])
    assert {round(c.p_right, 6) for c in chances} == {0.6}


def test_fitting_finds_kinds_and_what_is_hard_within_them() -> None:
    pair, x = world()
    material = Material.of(pair, [], x, x[:0])
    judged = Judged.of(pair, cross_fit(material))
    assert mean_within(within(judged)) > 0.8
    figures = pair_figures(judged)
    assert figures.by_p_fast["APGR"] > 0.75
    assert figures.ece < 0.05
    quality = fit_quality(material, cross_fit(material))
    helped, not_helped = (
        quality.read(x[0]),
        quality.read(x[2]),
    )  # the deep tier helps the first kind
    assert helped.p_fast < not_helped.p_fast


def test_a_slope_within_kinds_is_not_misled_by_what_tells_kinds_apart() -> None:
    """The hard kind has large inputs, but within each kind large inputs are easy."""
    dice = np.random.default_rng(2)
    kind = np.arange(400) % 2
    x = np.stack([dice.normal(size=400) + 8 * kind, dice.normal(size=400)], axis=1)
    easy = 1 / (1 + np.exp(-(x[:, 0] - 8 * kind)))
    pair = [
        outcome(f"kind {k}", float(dice.random() < (0.9 - 0.7 * k) * p), 1.0, n)
        for n, (k, p) in enumerate(zip(kind.tolist(), easy.tolist(), strict=True))
    ]
    material = Material.of(pair, [], x.astype(np.float32), x[:0].astype(np.float32))
    kinds = fit_kinds(material, np.ones(400, bool))
    assert (kinds.slopes[:, 0, 0] > 0).all()
    fails = np.array([row.fast < 0.5 for row in pair])
    inside = kind == 1
    assert auroc(-kinds(material.x, material.bags)[inside, 0], fails[inside]) > 0.5


def test_words_tell_what_the_inputs_do_not() -> None:
    """Nothing but one word among many says which questions are hard."""
    dice = np.random.default_rng(6)
    common = [f"common{n}" for n in range(40)]
    pair: list[Outcome] = []
    for number in range(600):
        words = [*dice.choice(common, size=8), "integral" if number % 2 else "apple"]
        row = outcome(
            f"kind {number % 3}", float(dice.random() < 0.8 - 0.6 * (number % 2)), 1.0, number
        )
        pair.append(replace(row, ask=Ask(text=" ".join(dice.permutation(words)), chars=60)))
    x = dice.normal(size=(600, 4)).astype(np.float32)
    judged = Judged.of(pair, cross_fit(Material.of(pair, [], x, x[:0])))
    assert mean_within(within(judged)) > 0.7


def test_a_kind_may_have_a_slope_of_its_own() -> None:
    """What makes questions of one kind hard makes those of the other easy."""
    dice = np.random.default_rng(7)
    x = np.zeros((800, 1 + len(FORM_NAMES)), np.float32)
    x[:, 0] = dice.normal(size=800)
    kind = np.arange(800) % 2
    x[:, 1] = 6 * kind
    chance = 1 / (1 + np.exp(-3 * x[:, 0] * (1 - 2 * kind)))
    pair = [
        outcome(f"kind {k}", float(dice.random() < p), 1.0, n)
        for n, (k, p) in enumerate(zip(kind.tolist(), chance.tolist(), strict=True))
    ]
    judged = Judged.of(pair, cross_fit(Material.of(pair, [], x, x[:0])))
    assert min(within(judged).values()) > 0.75


def test_own_prompts_are_kinds_of_their_own_and_never_judged() -> None:
    pair, x = world(90)
    own = [
        Labelled(ask=Ask(text="hi"), task="chat", source="own", fold=0, fast=guess)
        for guess in (0.9, 0.3)
    ]
    material = Material.of(pair, own, x, x[:2] + 20)
    assert material.kinds[-2:].tolist() == ["own chat 0.9", "own chat 0.3"]
    assert material.targets[-2:, 1] == pytest.approx([0.05, 0.65])
    assert cross_fit(material).p_fast.shape == (90,)
    assert material.enough.size == material.right.size == 90


def judged(p_fast: list[float], fast: list[float], deep: list[float]) -> Judged:
    chances = np.array(p_fast)
    pair = [outcome("a", f, d, n) for n, (f, d) in enumerate(zip(fast, deep, strict=True))]
    raw = np.stack([chances, 1 - chances], axis=1)
    return Judged.of(pair, Crossed(raw=raw, p_fast=chances, p_right=chances))


def test_a_threshold_sends_the_rest_to_the_deep_tier() -> None:
    said = judged([0.2, 0.6, 0.9], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0])
    assert routed(said, 0.55) == (0.55, pytest.approx(1 / 3), 1.0)
    assert routed(said, 1.0) == (1.0, 1.0, pytest.approx(2 / 3))


def test_enough_is_about_as_good_as_deep() -> None:
    said = judged([0.5] * 4, [0.0, 0.0, 0.6, 0.6], [1.0, 0.0, 0.8, 1.0])
    assert said.enough.tolist() == [False, True, True, False]
    assert said.fails.tolist() == [True, True, False, False]


def test_an_interval_holds_its_figure() -> None:
    dice = np.random.default_rng(3)
    fast = (dice.random(300) < 0.6).astype(float)
    said = judged([0.5] * 300, fast.tolist(), [1.0] * 300)
    low, high = interval(said, lambda j: float(j.fast.mean()), resamples=200)
    assert low < fast.mean() < high
    assert high - low == pytest.approx(4 * 0.49 / 300**0.5, rel=0.3)
