"""What a person reads of a comparison."""

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from models.chat import Merge
from models.stream import Usage
from router.compare import Comparison, Ratio, Way, WayCost
from serving.cli.bench.report import caption, conclusions, remarks, table

SAME = Ratio(value=1.0, low=1.0, high=1.0)
DEAR = Ratio(value=1.08, low=1.01, high=1.15)


def row(way: Way, tokens: tuple[int, int], ratio: Ratio | None = SAME) -> WayCost:
    """Ten requests with so many tokens of the deep model, in and out, each."""
    return WayCost(
        way=way,
        requests=10,
        draft=Usage() if way == "deep" else Usage(input=350, output=180, estimated=True),
        upgrade=Usage(input=10 * tokens[0], output=10 * tokens[1]),
        continued=10 if way == "continue" else 0,
        cut_short=0,
        usd_median=Decimal("0.00104"),
        usd_total=Decimal("0.0108"),
        ratio=ratio,
        first_shown_p50=0.21,
        first_shown_p90=0.44,
    )


def comparison(*rows: WayCost) -> Comparison:
    rows = (row("deep", (40, 100)), *rows)
    return Comparison(rows=rows, questions=10, asked=10, models=("anthropic/big",))


def shown(compared: Comparison, width: int = 80) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(table(compared))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    lines = shown(comparison(row("continue", (83, 79), DEAR)))
    assert lines[2].split() == (
        ["deep", "alone", "–", "–", "40", "100", "0.001040", "0.010800", "1.00x", "0.21", "0.44"]
    )
    assert lines[3].split() == (
        ["continue", "~35", "~18", "83", "79", "0.001040", "0.010800", "1.08x", "0.21", "0.44"]
    )
    assert "…" not in "".join(lines)


def test_cached_tokens_have_a_column_where_there_are_any() -> None:
    cached = replace(
        row("continue", (83, 79)), upgrade=Usage(input=830, output=790, cache_read=640)
    )
    lines = shown(comparison(cached), width=100)
    assert lines[0].count("draft") == 2
    assert lines[0].count("deep") == 3
    assert "cached" in lines[1]
    assert lines[3].split()[3:6] == ["83", "64", "79"]


def test_continuing_is_explained_by_its_tokens() -> None:
    assert list(conclusions(comparison(row("continue", (83, 79), DEAR)))) == [
        "`continue` costs 1.08x of asking deep alone (95 %: 1.01 to 1.15): in the mean the deep "
        "model reads 43 tokens more (the draft's text and the instruction) and writes 21 tokens "
        "less (the draft wrote 18)."
    ]


def test_ways_of_which_the_same_is_true_share_a_sentence() -> None:
    merges: list[Merge] = ["thinking", "revise", "hold"]
    assert list(conclusions(comparison(*(row(way, (40, 100)) for way in merges)))) == [
        "`thinking`, `revise` and `hold` cost 1.00x of asking deep alone: in the mean the deep "
        "model reads as much and writes as much."
    ]


def test_without_a_price_the_tokens_still_speak() -> None:
    unpriced = replace(row("continue", (83, 121), None), usd_median=None, usd_total=None)
    [sentence] = conclusions(comparison(unpriced))
    assert sentence.startswith("`continue` costs what nobody knows without a price: ")
    assert "writes 21 tokens more" in sentence
    assert shown(comparison(unpriced))[3].split()[5:8] == ["?", "?", "?"]


def test_estimates_are_explained() -> None:
    assert "~ is an estimate" in caption(comparison(row("continue", (83, 79))))
    told = replace(row("continue", (83, 79)), draft=Usage(input=350, output=180))
    assert "~" not in caption(comparison(told))


def test_remarks_say_who_stood_in_what_was_cut_and_which_drafts_were_not_shown() -> None:
    partly = replace(row("continue", (83, 79)), continued=7, cut_short=3)
    text = " ".join(remarks(replace(comparison(partly), stand_in="tiny"), max_tokens=64))
    assert "tiny stood in for anthropic/big" in text
    assert "another tokenizer counts differently" in text
    assert "7 of 10 drafts were shown" in text
    assert "3 of 20 answers were cut at 64 tokens" in text


def test_remarks_stay_silent_about_what_did_not_happen() -> None:
    assert list(remarks(comparison(row("continue", (83, 79))), max_tokens=64)) == [
        "The drafts run on your own engine: nobody bills their tokens."
    ]


@pytest.mark.parametrize(("written", "said"), [(46, True), (75, False), (100, True)])
def test_answers_of_another_length_are_no_saving(written: int, said: bool) -> None:
    # The drafts wrote 18 tokens each, the deep model alone 100.
    text = " ".join(remarks(comparison(row("continue", (83, written))), max_tokens=64))
    whole = f"together wrote {written + 18} tokens, the deep model alone 100"
    assert (whole in text) is said


@pytest.mark.parametrize("reason", ["it broke", "It broke."])
def test_what_is_left_out_is_told_with_its_reason(reason: str) -> None:
    compared = replace(
        comparison(row("continue", (83, 79))), asked=12, left_out={("continue", reason): 2}
    )
    assert list(remarks(compared, max_tokens=64))[-2:] == [
        "Left out: 2 of 12 prompts.",
        f"2 × continue: {reason.rstrip('.')}.",
    ]
