"""The comparison of merge modes, against figures worked out by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import Merge
from models.stream import Usage
from router.compare import LegCost, Ratio, Sample, Way, compare

CLAUDE, GEMINI = "anthropic/big", "gemini/other"


def deep(question: str, usd: str | None, tokens: tuple[int, int] = (100, 200)) -> Sample:
    return Sample(way="deep", question=question, legs=(upgrade(usd, tokens),), first_shown=2.0)


def relayed(
    question: str,
    usd: str | None,
    tokens: tuple[int, int] = (140, 180),
    way: Way = "continue",
    first_shown: float = 0.5,
) -> Sample:
    legs = (draft(), upgrade(usd, tokens, transcript_chars=80))
    return Sample(way=way, question=question, legs=legs, first_shown=first_shown)


def upgrade(usd: str | None, tokens: tuple[int, int], transcript_chars: int = 0) -> LegCost:
    return LegCost(
        role="upgrade",
        model=CLAUDE,
        usage=Usage(input=tokens[0], output=tokens[1]),
        usd=None if usd is None else Decimal(usd),
        transcript_chars=transcript_chars,
    )


def draft() -> LegCost:
    usage = Usage(input=90, output=20, estimated=True)
    return LegCost(role="draft", model="local/small", usage=usage, usd=Decimal(0), finish="stopped")


def test_two_questions_by_hand() -> None:
    comparison = compare(
        [
            deep("1", "0.004", (100, 200)),
            relayed("1", "0.005", (140, 180), first_shown=0.2),
            deep("2", "0.006", (300, 400)),
            relayed("2", "0.006", (360, 390), first_shown=0.6),
        ]
    )
    alone, row = comparison.rows

    assert (alone.way, row.way) == ("deep", "continue")
    assert (comparison.questions, comparison.asked) == (2, 2)
    assert comparison.models == (CLAUDE,)
    assert (alone.usd_median, alone.usd_total) == (Decimal("0.005"), Decimal("0.010"))
    assert (row.usd_median, row.usd_total) == (Decimal("0.0055"), Decimal("0.011"))
    assert alone.ratio == Ratio(value=1.0, low=1.0, high=1.0)
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(1.1)
    assert (row.ratio.low, row.ratio.high) == pytest.approx((1.0, 1.25))  # twice one question
    assert (alone.draft, alone.upgrade) == (Usage(), Usage(input=400, output=600))
    assert row.draft == Usage(input=180, output=40, estimated=True)
    assert row.upgrade == Usage(input=500, output=570)
    assert row.per_request(row.upgrade.input) == 250
    assert row.continued == 2
    assert (row.first_shown_p50, row.first_shown_p90) == pytest.approx((0.4, 0.56))


def test_ways_come_in_their_order_and_deep_first() -> None:
    merges: list[Merge] = ["hold", "revise", "thinking", "continue"]
    samples = [*(relayed("1", "0.004", way=way) for way in merges), deep("1", "0.004")]
    ways = [row.way for row in compare(samples).rows]
    assert ways == ["deep", "continue", "thinking", "revise", "hold"]


def test_only_questions_that_every_way_answered_are_compared() -> None:
    samples = [
        deep("1", "0.004"),
        relayed("1", "0.004"),
        deep("2", "9"),
        Sample(way="continue", question="2", fault="the engine died"),
    ]
    comparison = compare(samples)
    assert (comparison.questions, comparison.asked) == (1, 2)
    assert comparison.rows[0].usd_total == Decimal("0.004")
    assert comparison.left_out == {("continue", "the engine died"): 1}


def test_a_question_that_was_not_asked_in_every_way_does_not_count() -> None:
    comparison = compare([deep("1", "0.004"), relayed("1", "0.004"), deep("2", "0.004")])
    assert (comparison.questions, comparison.asked) == (1, 1)
    assert comparison.left_out == {}


def test_a_way_that_never_answered_does_not_spoil_the_others() -> None:
    samples = [
        deep("1", "0.004"),
        relayed("1", "0.004"),
        Sample(way="hold", question="1", fault="no"),
    ]
    comparison = compare(samples)
    assert [row.way for row in comparison.rows] == ["deep", "continue"]
    assert comparison.left_out == {("hold", "no"): 1}


DEEP = upgrade("0.004", (100, 200))


@pytest.mark.parametrize(
    ("legs", "why"),
    [
        ((draft(),), "the draft answered alone"),
        ((DEEP,), "the legs were upgrade"),
        (
            (draft(), replace(DEEP, error="slow down"), replace(DEEP, role="failover")),
            "slow down",
        ),
        ((draft(), replace(DEEP, finish="failed", error="it broke")), "it broke"),
        ((draft(), replace(DEEP, finish="content_filter")), "the deep model ended with"),
        ((draft(), replace(DEEP, model=GEMINI)), "gemini/other answered, where deep alone was"),
    ],
)
def test_what_is_not_draft_and_upgrade_is_left_out(legs: tuple[LegCost, ...], why: str) -> None:
    odd = Sample(way="continue", question="2", legs=legs)
    comparison = compare([deep("1", "0.004"), relayed("1", "0.004"), deep("2", "0.004"), odd])
    [(way, reason)] = comparison.left_out
    assert comparison.questions == 1
    assert way == "continue"
    assert reason.startswith(why)


def test_a_late_draft_is_part_of_the_bill() -> None:
    late = replace(draft(), error="no first token in time", finish="failed")
    sample = Sample(way="continue", question="1", legs=(late, DEEP))
    [_, row] = compare([deep("1", "0.004"), sample]).rows
    assert (row.requests, row.continued) == (1, 0)


def test_answers_at_the_limit_are_counted() -> None:
    cut = Sample(way="continue", question="1", legs=(draft(), replace(DEEP, finish="length")))
    alone, row = compare([deep("1", "0.004"), cut]).rows
    assert (alone.cut_short, row.cut_short) == (0, 1)


def test_without_a_price_tokens_are_compared_all_the_same() -> None:
    alone, row = compare([deep("1", None), relayed("1", None)]).rows
    assert (alone.usd_total, row.usd_median, row.ratio) == (None, None, None)
    assert row.upgrade.input == 140


def test_a_free_deep_model_has_no_ratio() -> None:
    [_, row] = compare([deep("1", "0"), relayed("1", "0")]).rows
    assert row.ratio is None
    assert row.usd_total == 0


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [deep("1", "0.004")],
        [relayed("1", "0.004")],
        [Sample(way="deep", question="1", fault="no"), relayed("1", "0.004")],
        [Sample(way=way, question="1", fault="no") for way in ("deep", "continue")],
    ],
    ids=["none", "deep only", "no deep", "deep failed", "all failed"],
)
def test_nothing_to_compare(samples: list[Sample]) -> None:
    assert compare(samples).rows == ()


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10_000)), min_size=1, max_size=20))
def test_the_ratio_is_that_of_the_totals_and_lies_in_its_range(
    bills: list[tuple[int, int]],
) -> None:
    samples = [
        sample
        for number, (alone, way) in enumerate(bills)
        for sample in (deep(str(number), str(alone)), relayed(str(number), str(way)))
    ]
    [_, row] = compare(samples).rows
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(
        sum(way for _, way in bills) / sum(alone for alone, _ in bills)
    )
    assert row.ratio.low <= row.ratio.high
    assert row.requests == len(bills)
