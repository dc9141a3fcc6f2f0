"""The `[models]` table: cards for models that the catalogue lacks, and corrections to ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from models.card import ModelCard, PrefillForm, Price, Rates
from models.catalogue import Catalogue
from router.providers import registry
from serving.settings import ModelSettings, ProviderSettings, Settings

# The form that a host of each dialect most probably takes, where only `prefill = true` is said.
_PREFILL: Final[Mapping[str, PrefillForm]] = {
    "anthropic": "assistant_turn",
    "gemini": "model_turn",
    "openai": "assistant_turn",
}


def with_own_cards(catalogue: Catalogue, settings: Settings) -> Catalogue:
    """The catalogue with the user's cards added, and his corrections laid over ours."""
    for name, own in settings.models.items():
        provider = settings.providers.get(_provider(name), ProviderSettings())
        row = registry.ROWS.get(_provider(name))
        dialect = provider.dialect or (row.dialect if row else "openai")
        catalogue = catalogue.with_card(_own_card(catalogue.card(name), own, dialect))
    return catalogue


def _own_card(card: ModelCard, own: ModelSettings, dialect: str) -> ModelCard:
    can = card.abilities
    prefill: PrefillForm = can.prefill
    if own.prefill is not None:
        prefill = _PREFILL.get(dialect, "none") if own.prefill else "none"
        if own.prefill and can.prefill != "none":
            prefill = can.prefill
    return replace(
        card,
        known=True,
        window=own.window or card.window,
        max_output=own.max_output or card.max_output,
        equals=card.equals if own.equals is None else tuple(own.equals),
        prices=_own_prices(own) or card.prices,
        abilities=replace(
            can,
            prefill=prefill,
            tools=_either(own.tools, can.tools),
            vision=_either(own.vision, can.vision),
            json_schema=_either(own.json_schema, can.json_schema),
            sampling=_either(own.sampling, can.sampling),
        ),
    )


def _own_prices(own: ModelSettings) -> tuple[Price, ...]:
    if own.input_usd_per_mtok is None and own.output_usd_per_mtok is None:
        return ()
    return (
        Price(
            rates=Rates(
                input=_dollars(own.input_usd_per_mtok), output=_dollars(own.output_usd_per_mtok)
            )
        ),
    )


def _dollars(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(str(amount))


def _either(own: bool | None, known: bool) -> bool:
    return known if own is None else own


def _provider(name: str) -> str:
    return name.partition("/")[0]
