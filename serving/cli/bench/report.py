"""A comparison of merge modes as a person reads it: a table, its conclusions, and what to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.table import Table

from models.stream import Usage
from router.compare import Comparison, Way, WayCost

_SAME = 0.5  # tokens a request: less is no difference
_OTHER_LENGTH = 0.1  # share by which whole answers may differ before it is worth a word


def table(comparison: Comparison) -> Table:
    """One row for each way. Cached tokens are only told where there are any."""
    rows = comparison.rows
    draft_cached = any(row.draft.cache_read for row in rows)
    deep_cached = any(row.upgrade.cache_read for row in rows)
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("way\n", style="bold", no_wrap=True)
    headers = (
        *_token_headers("draft", cached=draft_cached),
        *_token_headers("deep", cached=deep_cached),
        *("$ each\nmedian", "$ all\n", "of\ndeep", "words\np50", "words\np90"),
    )
    for header in headers:
        shown.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        alone = row.way == "deep"
        draft = _tokens(row, row.draft, cached=draft_cached)
        shown.add_row(
            "deep alone" if alone else row.way,
            *(["–"] * len(draft) if alone else draft),
            *_tokens(row, row.upgrade, cached=deep_cached),
            dollars(row.usd_median),
            dollars(row.usd_total),
            f"{row.ratio.value:.2f}x" if row.ratio else "?",
            f"{row.first_shown_p50:.2f}",
            f"{row.first_shown_p90:.2f}",
        )
    return shown


def caption(comparison: Comparison) -> str:
    """How to read the table."""
    usages = [usage for row in comparison.rows for usage in (row.draft, row.upgrade)]
    estimated = any(usage.estimated for usage in usages)
    marked = "; ~ is an estimate, since a leg that is stopped reports none" if estimated else ""
    return (
        f"{comparison.questions} requests in each way. Tokens: mean of a request{marked}. "
        "Words: seconds to the first shown words."
    )


def conclusions(comparison: Comparison) -> Iterator[str]:
    """What each way costs and where that comes from; ways of which the same is true share a sentence."""
    ways: dict[str, list[Way]] = {}
    for row in comparison.rows[1:]:
        ways.setdefault(_verdict(row, comparison.rows[0]), []).append(row.way)
    for verdict, names in ways.items():
        cost = "cost" if len(names) > 1 else "costs"
        yield f"{_listed([f'`{name}`' for name in names])} {cost} {verdict}."


def remarks(comparison: Comparison, max_tokens: int) -> Iterator[str]:
    """What the figures do not say of themselves. `max_tokens`: the limit of an answer."""
    ways = comparison.rows[1:]
    if comparison.stand_in:
        models = _listed(comparison.models)
        yield (
            f"No provider key is set: {comparison.stand_in} stood in for {models}. Tokens are its "
            "own (another tokenizer counts differently, another model says other things), dollars "
            f"are what {models} would have billed for as many, none of them cached. Its first words "
            "come as soon as the draft's, which those of a real host do not."
        )
    yield "The drafts run on your own engine: nobody bills their tokens."
    for row in ways:
        if row.way == "continue" and row.continued < row.requests:
            yield (
                f"In `continue` {row.continued} of {row.requests} drafts were shown. The others were "
                "unsure of themselves or late, and the deep model answered from the start."
            )
        if row.continued:
            yield from _other_length(row, comparison.rows[0])
    cut = sum(row.cut_short for row in comparison.rows)
    if cut:
        total = comparison.questions * len(comparison.rows)
        yield f"{cut} of {total} answers were cut at {max_tokens} tokens: --max-tokens allows more."
    yield from left_out(comparison)


def _other_length(row: WayCost, alone: WayCost) -> Iterator[str]:
    """Continued answers that are as a whole shorter or longer: another answer, not a saving."""
    whole = row.per_request(row.draft.output + row.upgrade.output)
    usual = alone.per_request(alone.upgrade.output)
    if abs(whole - usual) > _OTHER_LENGTH * usual:
        yield (
            f"In `{row.way}` draft and upgrade together wrote {whole:.0f} tokens, the deep model "
            f"alone {usual:.0f}: that much of the difference in dollars is another length of the "
            "answer, not the price of the relay."
        )


def left_out(comparison: Comparison) -> Iterator[str]:
    """Which requests are not in the table, and why."""
    if comparison.questions < comparison.asked:
        missing = comparison.asked - comparison.questions
        yield f"Left out: {missing} of {comparison.asked} prompts."
    for (way, why), count in comparison.left_out.items():
        yield f"{count} × {way}: {why.rstrip('.')}."


def dollars(amount: Decimal | None) -> str:
    """Enough digits for the price of one answer."""
    if amount is None:
        return "?"
    return f"{amount:.2f}" if amount >= 1 else f"{amount:.6f}"


def _token_headers(role: str, *, cached: bool) -> list[str]:
    return [f"{role}\nin", *([f"{role}\ncached"] if cached else []), f"{role}\nout"]


def _tokens(row: WayCost, usage: Usage, *, cached: bool) -> list[str]:
    totals = [usage.input, *([usage.cache_read] if cached else []), usage.output]
    mark = "~" if usage.estimated else ""
    return [f"{mark}{row.per_request(total):.0f}" for total in totals]


def _verdict(row: WayCost, alone: WayCost) -> str:
    return f"{_price(row)}: in the mean {_input(row, alone)} and {_output(row, alone)}"


def _price(row: WayCost) -> str:
    if row.ratio is None:
        return "what nobody knows without a price"
    value, low, high = (f"{x:.2f}" for x in (row.ratio.value, row.ratio.low, row.ratio.high))
    spread = f" (95 %: {low} to {high})" if low != high else ""
    return f"{value}x of asking deep alone{spread}"


def _input(row: WayCost, alone: WayCost) -> str:
    more = row.per_request(row.upgrade.input) - alone.per_request(alone.upgrade.input)
    if abs(more) < _SAME:
        return "the deep model reads as much"
    why = " (the draft's text and the instruction)" if row.continued and more > 0 else ""
    return f"the deep model reads {_difference(more)}{why}"


def _output(row: WayCost, alone: WayCost) -> str:
    more = row.per_request(row.upgrade.output) - alone.per_request(alone.upgrade.output)
    wrote = f" (the draft wrote {row.per_request(row.draft.output):.0f})" if row.continued else ""
    return f"writes {'as much' if abs(more) < _SAME else _difference(more)}{wrote}"


def _difference(tokens: float) -> str:
    return f"{abs(tokens):.0f} tokens {'more' if tokens > 0 else 'less'}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
