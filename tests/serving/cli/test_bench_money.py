"""The upper estimate and the budget, against figures worked out by hand."""

from dataclasses import replace
from datetime import time
from decimal import Decimal

import pytest

from models.card import ModelCard, OffPeakWindow, Price, Rates
from models.catalogue import Catalogue
from models.errors import ConfigError
from models.stream import Usage
from router.compare import LegCost, Sample
from serving.cli.bench.money import Purse

PROMPT = "x" * 400  # 100 tokens
CHEAP = ModelCard(
    provider="a", id="cheap", prices=(Price(rates=Rates(input=Decimal(1), output=Decimal(2))),)
)
DEAR = ModelCard(
    provider="b", id="dear", prices=(Price(rates=Rates(input=Decimal(5), output=Decimal(10))),)
)
# At most 2 * 100 + 600 tokens in and 250 out, in millionths of a dollar:
CHEAP_USD = Decimal(800 * 1 + 250 * 2) / 1_000_000
DEAR_USD = Decimal(800 * 5 + 250 * 10) / 1_000_000


def purse(*cards: ModelCard, budget: str | None = None) -> Purse:
    catalogue = Catalogue.load()
    for card in cards:
        catalogue = catalogue.with_card(card)
    return Purse(
        [card.name for card in cards],
        catalogue=catalogue,
        max_tokens=250,
        budget=None if budget is None else Decimal(budget),
    )


def billed(usd: str | None, fault: str = "") -> Sample:
    leg = LegCost(
        role="upgrade", model="a/cheap", usage=Usage(), usd=None if usd is None else Decimal(usd)
    )
    return Sample(way="deep", question="1", legs=() if fault else (leg,), fault=fault)


def test_the_estimate_takes_the_dearest_model_for_every_request() -> None:
    assert purse(CHEAP, DEAR).estimate([PROMPT, PROMPT], ways=5) == 10 * DEAR_USD


def test_without_paid_models_nothing_is_estimated_or_spent() -> None:
    empty = purse(budget="0")
    empty.pay(PROMPT, billed("3"))
    assert empty.estimate([PROMPT], ways=5) == 0
    assert empty.spent == 0
    assert empty.affords(PROMPT)


def test_an_hour_at_half_price_does_not_lower_the_estimate() -> None:
    noon = OffPeakWindow(weekdays=(1, 2, 3, 4, 5, 6, 7), start=time(0), end=time(12))
    half = replace(CHEAP.prices[0], rates=Rates(input=Decimal("0.5"), output=Decimal(1)))
    card = replace(CHEAP, prices=(*CHEAP.prices, replace(half, off_peak=(noon,))))
    assert purse(card).estimate([PROMPT], ways=1) == CHEAP_USD


def test_a_budget_is_kept_even_if_every_host_breaks_off_and_is_asked_again() -> None:
    worst = 2 * (CHEAP_USD + DEAR_USD)
    kept = purse(CHEAP, DEAR, budget=str(worst + Decimal("0.001")))
    kept.check([PROMPT])
    assert kept.affords(PROMPT)
    kept.pay(PROMPT, billed("0.001"))
    assert kept.affords(PROMPT)
    kept.pay(PROMPT, billed("0.000001"))
    assert not kept.affords(PROMPT)


@pytest.mark.parametrize("sample", [billed(None), billed(None, fault="the connection broke")])
def test_what_is_not_known_counts_as_the_worst(sample: Sample) -> None:
    paid = purse(CHEAP)
    paid.pay(PROMPT, sample)
    assert paid.spent == 2 * CHEAP_USD


def test_a_budget_too_small_for_one_request_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"The budget of \$0\.001 is too small: .* \$0\.0026"):
        purse(CHEAP, budget="0.001").check([PROMPT])


def test_a_model_without_a_price() -> None:
    unpriced = purse(CHEAP, replace(CHEAP, id="mystery", prices=()), budget="1")
    assert unpriced.unpriced == ("a/mystery",)
    assert unpriced.estimate([PROMPT], ways=1) is None
    with pytest.raises(ConfigError, match=r"that of a/mystery is not known"):
        unpriced.check([PROMPT])
