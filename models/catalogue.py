"""The catalogue: dated facts about models, one TOML file per provider in `models/data`.

Read once, checked, frozen. A wrong row stops start-up with its file and model.
"""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import date, time
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import msgspec

from models.card import Abilities, ModelCard, OffPeakWindow, Price, Rates
from models.errors import ConfigError, ModelNotFound

_ABILITY_NAMES = frozenset(field.name for field in fields(Abilities))

Status = Literal["current", "legacy", "preview", "deprecated", "retired", "unverified"]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all rows: an unknown key is an error."""


class _Window(_Row, frozen=True, kw_only=True):
    weekdays: tuple[int, ...]
    start: time
    end: time


class _PriceRow(_Row, frozen=True, kw_only=True):
    since: date | None = None
    prompt_over: int = 0
    off_peak: bool = False
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None


class _ModelRow(_Row, frozen=True, kw_only=True):
    id: str
    aliases: tuple[str, ...] = ()
    status: Status = "current"
    retires: date | None = None
    window: int | None = None
    max_output: int | None = None
    abilities: dict[str, Any] = {}
    prices: tuple[_PriceRow, ...] = ()
    equals: tuple[str, ...] = ()
    sources: tuple[str, ...]


class _Unlisted(_Row, frozen=True, kw_only=True):
    abilities: dict[str, Any] = {}
    prices: tuple[_PriceRow, ...] = ()


class _File(_Row, frozen=True, kw_only=True):
    checked: date
    off_peak: tuple[_Window, ...] = ()
    sources: dict[str, str] = {}
    abilities: dict[str, Any] = {}
    unlisted: _Unlisted = _Unlisted()
    models: tuple[_ModelRow, ...] = ()


class Catalogue:
    """All cards, found by `provider/id`, `provider/alias`, or a bare name that is unique."""

    def __init__(self, cards: Iterable[ModelCard], unlisted: Iterable[ModelCard] = ()) -> None:
        """Index `cards`; `unlisted` holds one card without an id per provider that needs it."""
        self._cards = {card.name: card for card in cards}
        self._unlisted = {card.provider: card for card in unlisted}
        self._names = _full_names(self._cards.values())
        self._bare = _bare_names(self._cards.values())

    @classmethod
    def load(cls) -> Catalogue:
        """The packaged catalogue; reads the files once per process."""
        return _packaged()

    def with_card(self, card: ModelCard) -> Catalogue:
        """A catalogue in which `card` replaces the one of its name, or is added."""
        return Catalogue((self._cards | {card.name: card}).values(), self._unlisted.values())

    def find(self, name: str) -> ModelCard | None:
        """The listed card of that name."""
        full = self._names.get(name) or self._bare.get(name)
        return self._cards[full] if full else None

    def card(self, name: str) -> ModelCard:
        """The listed card of `provider/id`, or a conservative one with `known=False`."""
        found = self.find(name)
        if found:
            return found
        provider, slash, model = name.partition("/")
        if not (provider and slash and model):
            raise ModelNotFound(f"No model is called {name!r}.{self._hint(name)}")
        template = self._unlisted.get(provider) or ModelCard(provider=provider, id="")
        return replace(template, id=model, known=False)

    def near(self, name: str, n: int = 3) -> list[str]:
        """Full names that look like `name`, best first: for error messages."""
        spoken = {full.lower(): card for full, card in self._names.items()}
        spoken |= {bare.lower(): card for bare, card in self._bare.items()}
        # Two spellings of one card may both be close, so more are asked for than returned.
        close = difflib.get_close_matches(name.lower(), spoken, n=4 * n, cutoff=0.6)
        return list(dict.fromkeys(spoken[match] for match in close))[:n]

    def cards(self) -> tuple[ModelCard, ...]:
        """Every listed card."""
        return tuple(self._cards.values())

    def _hint(self, name: str) -> str:
        near = self.near(name)
        return f" Did you mean {' or '.join(near)}?" if near else ""


def parse(text: str, file: str) -> tuple[list[ModelCard], ModelCard | None]:
    """Cards of one provider's file, and its card for unlisted models where it has one."""
    provider = file.removesuffix(".toml")
    try:
        data = msgspec.convert(tomllib.loads(text, parse_float=Decimal), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"models/data/{file}: {_located(text, error)}") from error
    cards = [_card(provider, row, data) for row in data.models]
    if data.unlisted == _Unlisted():
        return cards, None
    where = f"models/data/{file}: unlisted"
    unlisted = ModelCard(
        provider=provider,
        id="",
        abilities=_abilities(where, data.unlisted.abilities),
        prices=tuple(_price(row, data.off_peak) for row in data.unlisted.prices),
        known=False,
    )
    return cards, unlisted


def check_names(cards: Iterable[ModelCard]) -> None:
    """Names are unique within a provider, and every `equals` is a card of another provider."""
    cards = list(cards)
    spoken = Counter(f"{card.provider}/{name}" for card in cards for name in _own_names(card))
    twice = [name for name, times in spoken.items() if times > 1]
    if twice:
        raise ConfigError(f"models/data: listed twice: {', '.join(twice)}.")
    providers = {card.name: card.provider for card in cards}
    for card in cards:
        for name in card.equals:
            if providers.get(name, card.provider) == card.provider:
                raise ConfigError(
                    f"models/data/{card.provider}.toml: {card.id}: "
                    f"{name} is not a listed model of another provider."
                )


@cache
def _packaged() -> Catalogue:
    cards: list[ModelCard] = []
    unlisted: list[ModelCard] = []
    for file in sorted(_data_files(), key=lambda f: f.name):
        listed, rest = parse(file.read_text(encoding="utf-8"), file.name)
        cards += listed
        unlisted += [rest] if rest else []
    check_names(cards)
    return Catalogue(cards, unlisted)


def _data_files() -> list[Traversable]:
    folder = files("models") / "data"
    return [file for file in folder.iterdir() if file.name.endswith(".toml")]


def _card(provider: str, row: _ModelRow, data: _File) -> ModelCard:
    where = f"models/data/{provider}.toml: {row.id}"
    missing = [key for key in row.sources if key not in data.sources]
    if missing or not row.sources:
        raise ConfigError(f"{where}: sources {missing} are not in the file's [sources] table.")
    return ModelCard(
        provider=provider,
        id=row.id,
        aliases=row.aliases,
        window=row.window,
        max_output=row.max_output,
        abilities=_abilities(where, data.abilities, row.abilities),
        prices=tuple(_price(price, data.off_peak) for price in row.prices),
        equals=row.equals,
        status=row.status,
        retires=row.retires,
        checked=data.checked,
        sources=tuple(data.sources[key] for key in row.sources),
    )


def _abilities(where: str, *layers: Mapping[str, Any]) -> Abilities:
    merged = {key: value for layer in layers for key, value in layer.items()}
    unknown = sorted(merged.keys() - _ABILITY_NAMES)
    if unknown:
        raise ConfigError(f"{where}: no such ability: {', '.join(unknown)}.")
    try:
        return msgspec.convert(merged, Abilities)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: abilities: {error}.") from error


def _price(row: _PriceRow, windows: tuple[_Window, ...]) -> Price:
    rates = Rates(
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write=row.cache_write,
        cache_write_1h=row.cache_write_1h,
    )
    off_peak = tuple(OffPeakWindow(weekdays=w.weekdays, start=w.start, end=w.end) for w in windows)
    return Price(
        rates=rates,
        since=row.since,
        prompt_over=row.prompt_over,
        off_peak=off_peak if row.off_peak else (),
    )


def _located(text: str, error: Exception) -> str:
    """The error, with the model's id where it points into the list of models."""
    message = str(error)
    _, found, tail = message.partition("$.models[")
    if found and (index := tail.partition("]")[0]).isdigit():
        rows = tomllib.loads(text)["models"]
        return f"{rows[int(index)].get('id', f'model {index}')}: {message}"
    return message


def _own_names(card: ModelCard) -> tuple[str, ...]:
    return (card.id, *card.aliases)


def _full_names(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Every `provider/id` and `provider/alias`, mapped to the card's name."""
    return {f"{card.provider}/{name}": card.name for card in cards for name in _own_names(card)}


def _bare_names(cards: Iterable[ModelCard]) -> dict[str, str]:
    """Ids and aliases that name one card only. Those with a slash would read as `provider/id`."""
    holders: defaultdict[str, list[str]] = defaultdict(list)
    for card in cards:
        for name in _own_names(card):
            holders[name].append(card.name)
    return {name: full[0] for name, full in holders.items() if len(full) == 1 and "/" not in name}
