"""What a bench may spend at paid hosts: an upper estimate before it starts, a purse while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from models.card import ModelCard
from models.catalogue import Catalogue
from models.errors import ConfigError
from models.prices import cost
from models.stream import Usage
from models.tokens import estimate_tokens
from router.compare import Sample

_CONTINUING: Final = 600  # tokens: the longest first sentence in a wide script, and the instruction
_MARGIN: Final = 2  # prompts are counted without their tokenizer
_TRIES: Final = 2  # a host that stalls is asked once more
_HOURS: Final = 24  # prices that change within them count at their highest


class Purse:
    """Money for these models; without `models` nothing is billed."""

    def __init__(
        self,
        models: Sequence[str],
        *,
        catalogue: Catalogue,
        max_tokens: int,
        budget: Decimal | None = None,
    ) -> None:
        """`max_tokens`: of one answer. `budget` in US dollars."""
        self.models = tuple(models)
        self.spent = Decimal(0)
        self._cards = [catalogue.card(name) for name in models]
        self._max_tokens = max_tokens
        self._budget = budget
        now = datetime.now(UTC)
        self._times = [now + timedelta(hours=hour) for hour in range(_HOURS)]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models whose price is not known, so that nothing can be estimated."""
        usage = Usage(input=1, output=1)
        return tuple(card.name for card in self._cards if self._highest(usage, card) is None)

    def estimate(self, prompts: Sequence[str], ways: int) -> Decimal | None:
        """The most that these prompts cost in so many ways while no host breaks off."""
        if self.unpriced:
            return None
        dearest = (max(self._prices(prompt), default=Decimal(0)) for prompt in prompts)
        return sum(dearest, Decimal(0)) * ways

    def check(self, prompts: Sequence[str]) -> None:
        """Refuse a budget that cannot be kept, or that is too small for any request."""
        if self._budget is None:
            return
        if self.unpriced:
            raise ConfigError(
                f"A budget needs prices, and that of {', '.join(self.unpriced)} is not known: say "
                "it as input_usd_per_mtok and output_usd_per_mtok in its [models] table."
            )
        least = min(map(self._worst, prompts))
        if least > self._budget:
            raise ConfigError(
                f"The budget of ${self._budget} is too small: if every host broke off and was asked "
                f"again, one request could cost ${least:.4f}."
            )

    def affords(self, prompt: str) -> bool:
        """Whether one more request stays within the budget, whatever happens to it."""
        return self._budget is None or self.spent + self._worst(prompt) <= self._budget

    def pay(self, prompt: str, sample: Sample) -> None:
        """Take what a request cost; where it does not say, the most that it can have cost."""
        if not self.models:
            return
        known = None if sample.fault else sample.usd
        self.spent += self._worst(prompt) if known is None else known

    def _worst(self, prompt: str) -> Decimal:
        """What one request costs when each host in turn breaks off at its last token."""
        return sum(self._prices(prompt), Decimal(0)) * _TRIES

    def _prices(self, prompt: str) -> list[Decimal]:
        """The most that one call of each model costs, where its price is known."""
        prompt_tokens = _MARGIN * estimate_tokens(prompt) + _CONTINUING
        usage = Usage(input=prompt_tokens, output=self._max_tokens)
        prices = [self._highest(usage, card) for card in self._cards]
        return [price for price in prices if price is not None]

    def _highest(self, usage: Usage, card: ModelCard) -> Decimal | None:
        """The price at the dearest hour; None when it is not known."""
        prices = [cost(usage, card, at) for at in self._times]
        return max((price for price in prices if price is not None), default=None)
