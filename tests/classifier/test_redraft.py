"""The judge of drafts, refitted: better where drafts tell something, refused where they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from classifier.draft import FEWEST, DraftJudge, DraftSignals
from classifier.redraft import Heard, dumped, loaded, redraft
from models.errors import ConfigError

AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
NOW = DraftJudge(version="draft-v1", learned_on="another", weights={"mean": 0.3}, usual={})


def drafts(
    size: int,
    *,
    telling: float = 3.0,
    model: str = "mine",
    judged: int | None = None,
    seed: int = 0,
) -> list[Heard]:
    """Surer drafts are better by `telling` logits a spread; the first `judged` of them are judged."""
    dice = np.random.default_rng(seed)
    sure = dice.normal(size=size)
    good = dice.random(size) < 1 / (1 + np.exp(-telling * sure))
    return [
        Heard(
            task="chat",
            p_prompt=0.5,
            signals=DraftSignals(mean=-0.6 + 0.2 * float(sure[i]), opening=-0.5),
            threshold=0.5,
            model=model,
            prompt=i.to_bytes(4, "big"),
            good=float(good[i]) if judged is None or i < judged else None,
        )
        for i in range(size)
    ]


def test_drafts_that_tell_make_a_better_judge() -> None:
    found = redraft(drafts(300), NOW, at=AT)
    assert found.better
    assert found.new_loss < found.old_loss < found.prompt_loss
    assert found.judge.weights["mean"] > NOW.weights["mean"]
    assert (found.judge.version, found.judge.learned_on) == (
        "draft-v1+20261124.1230",
        "mine",
    )
    assert set(found.judge.usual) == {"chat"}
    assert "is better: on 300 drafts that it did not see, log loss" in found.sentence


@pytest.mark.parametrize("telling", [0.0, 0.3])
def test_a_judge_that_is_not_better_is_refused(telling: float) -> None:
    """Where drafts tell nothing, and where the one in use knows already what they tell."""
    known = redraft(drafts(2000, telling=telling, seed=1), NOW, at=AT).judge
    found = redraft(drafts(150, telling=telling), known, at=AT)
    assert not found.better
    assert "is not shown to be better, so the old one stays" in found.sentence


def test_the_same_prompt_is_never_on_both_sides() -> None:
    """Twenty prompts asked again and again, good or bad each for itself, with a draft of its own."""
    dice = np.random.default_rng(2)
    base = drafts(20, telling=0.0)
    places: list[int] = dice.integers(0, 20, 400).tolist()
    again = [base[place] for place in places]
    assert not redraft(again, NOW, at=AT).better


def test_drafts_that_nobody_judged_show_what_is_usual() -> None:
    """Of forty a task too little is known to say what is usual; with the unjudged ones it is."""
    few = [replace(draft, task="code") for draft in drafts(FEWEST - 10, seed=3)]
    more = [replace(draft, task="code") for draft in drafts(FEWEST, judged=0, seed=4)]
    assert set(redraft([*few, *drafts(150)], NOW, at=AT).judge.usual) == {"chat"}
    assert set(redraft([*more, *few, *drafts(150)], NOW, at=AT).judge.usual) == {"chat", "code"}


def test_only_the_drafts_of_the_engine_that_runs_now_count() -> None:
    found = redraft([*drafts(500, model="old", telling=-3.0), *drafts(300)], NOW, at=AT)
    assert (found.samples, found.heard, found.judge.learned_on) == (300, 300, "mine")


def test_a_hint_counts_less_than_a_word() -> None:
    true, false = drafts(200), [replace(d, good=1 - (d.good or 0)) for d in drafts(200, seed=5)]
    hints = [replace(draft, weight=0.15) for draft in false]
    weighed = redraft([*true, *hints], NOW, at=AT).judge.weights["mean"]
    assert weighed > 2 * redraft([*true, *false], NOW, at=AT).judge.weights["mean"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "No draft's first sentence was heard"),
        (drafts(300, judged=73), "73 judged drafts of mine, and 100 are needed, so 27 more."),
        (
            [replace(draft, good=1.0) for draft in drafts(200)],
            "in all but 0 of 200 the draft was good enough, and at least 10 of each kind are needed, so 10",
        ),
        (
            [replace(draft, task=f"task{i}") for i, draft in enumerate(drafts(300))],
            "0 judged drafts of mine",
        ),
    ],
)
def test_too_little_is_one_sentence_that_says_how_much_is_missing(
    found: list[Heard], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        redraft(found, NOW, at=AT)


def test_the_file_comes_back_as_it_was() -> None:
    judge = redraft(drafts(300), NOW, at=AT).judge
    assert loaded(dumped(judge)) == judge


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bias"', '"bios"', "is not as `headstart tune --retrain` writes it"),
        ('"mean": 0.3', '"mean": -1', "cannot be one that was fitted"),
        ('"mean"', '"hugs"', "it weighs `hugs`, which this version does not read"),
        ("{", "", "Extra data|Expecting"),
    ],
)
def test_a_file_that_no_fit_wrote_is_refused(old: str, new: str, said: str) -> None:
    data = dumped(NOW).decode()
    assert old in data
    with pytest.raises(ValueError, match=said):
        loaded(data.replace(old, new, 1).encode())
