"""Whom we can ask: providers with a key, the local engine, and stand-ins where there is no key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.card import ModelCard
from models.catalogue import Catalogue
from models.chat import ChatRequest
from models.errors import ConfigError
from models.stream import StreamEvent
from router.chain import groups
from router.fleet import Fleet
from router.health import HealthBook
from router.plan import Target
from router.providers import registry
from router.providers.base import Provider
from serving.cards import with_own_cards
from serving.settings import ProviderSettings, Settings

LOCAL: Final = "local"  # the provider name of the engine on this machine
STAND_IN: Final = "stand-in"  # the engine's chat completions, as a hosted model's understudy
STAND_IN_MESSAGES: Final = (
    "stand-in-anthropic"  # its messages endpoint, through Anthropic's adapter
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """The fast tier's engine, as the fleet needs it. `base_url` is without `/v1`."""

    model: str
    base_url: str = "http://localhost"
    uds: str = ""
    api_key: str = ""
    window: int | None = None
    greedy: bool = False  # sample at temperature 0 unless the client says otherwise
    ready: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """The hosted side of the fleet, worked out from settings and keys; nothing is opened yet."""

    catalogue: Catalogue  # with the user's own cards
    usable: Mapping[str, registry.ProviderRow]  # by provider
    unusable: Mapping[str, str]  # provider -> what to set
    order: tuple[str, ...]  # every name in [deep], preferred first
    stands_in: bool  # no hosted model can be asked, so the engine plays them

    @property
    def usable_order(self) -> tuple[str, ...]:
        """The names in [deep] that can be asked."""
        return tuple(name for name in self.order if _provider(name) in self.usable)


def plan_upstreams(settings: Settings, env: Mapping[str, str]) -> Upstreams:
    """Who can be asked with these settings and keys.

    Raises `ConfigError` when nobody in [deep] can, and no stand-in is allowed.
    """
    deep = settings.deep
    order = tuple(_flat(groups(deep.preferred, *deep.preferred_for.values())))
    wanted = {*map(_provider, order), *settings.providers}
    usable: dict[str, registry.ProviderRow] = {}
    unusable: dict[str, str] = {}
    for name in sorted(wanted | registry.ROWS.keys()):
        row = _row(name, settings.providers.get(name), required=name in wanted)
        if row is None:
            unusable[name] = f"it needs {registry.ROWS[name].needs} as [providers.{name}] base_url"
        elif row.api_key_env and not env.get(row.api_key_env):
            unusable[name] = f"set {row.api_key_env}"
        else:
            usable[name] = row
    answerable = not order or any(_provider(name) in usable for name in order)
    if not answerable and not settings.deep.stand_in:
        raise ConfigError(_nobody(order, unusable))
    return Upstreams(
        catalogue=with_own_cards(Catalogue.load(), settings),
        usable=usable,
        unusable=unusable,
        order=order,
        stands_in=not answerable,
    )


def build_fleet(
    upstreams: Upstreams, local: LocalModel | None, settings: Settings, env: Mapping[str, str]
) -> Fleet:
    """Open a client for each usable provider and for the engine."""
    health = HealthBook()
    providers: dict[str, Provider] = {
        name: _hosted_provider(row, settings, env, health) for name, row in upstreams.usable.items()
    }
    hosted = _hosted_targets(upstreams)
    fast = None
    if local is not None:
        fast = _fast_target(local, upstreams.catalogue)
        chat = _engine_provider(LOCAL, local, settings)
        providers[LOCAL] = Greedy(chat, always=False) if local.greedy else chat
        if upstreams.stands_in:
            providers[STAND_IN] = Greedy(_engine_provider(STAND_IN, local, settings))
            providers[STAND_IN_MESSAGES] = Greedy(
                _engine_provider(STAND_IN_MESSAGES, local, settings)
            )
            hosted |= {name: _stand_in_target(name, fast) for name in upstreams.order}
    return Fleet(
        providers,
        fast=fast,
        hosted=hosted,
        unusable=upstreams.unusable,
        fast_ready=local.ready if local else lambda: False,
        health=health,
    )


class Greedy:
    """Asks a small local model at temperature 0: at its default it rambles."""

    def __init__(self, inner: Provider, *, always: bool = True) -> None:
        """`always`: even when the client asked for another temperature."""
        self._inner = inner
        self._always = always

    @property
    def name(self) -> str:
        """The engine's."""
        return self._inner.name

    def stream(
        self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """The same request, sampled greedily."""
        if self._always or request.temperature is None:
            request = replace(request, temperature=0.0)
        return self._inner.stream(request, card, streaming=streaming)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._inner.aclose()


# -- providers --------------------------------------------------------------------------------


def _row(name: str, own: ProviderSettings | None, *, required: bool) -> registry.ProviderRow | None:
    """The provider's row with the user's settings; None for a built-in one that lacks its address."""
    own = own or ProviderSettings()
    built_in = registry.ROWS.get(name)
    if not required and built_in and not built_in.base_url:
        return None
    return registry.resolve(
        name,
        dialect=own.dialect or "",
        base_url=own.base_url or "",
        api_key_env=own.api_key_env or "",
    )


def _hosted_provider(
    row: registry.ProviderRow, settings: Settings, env: Mapping[str, str], health: HealthBook
) -> Provider:
    own = settings.providers.get(row.name, ProviderSettings())
    return registry.build(
        row.name,
        dialect=row.dialect,
        base_url=row.base_url,
        api_key=env.get(row.api_key_env, "") if row.api_key_env else "",
        headers=own.headers,
        connect=settings.deadlines.connect,
        grace=settings.deadlines.grace,
        limited=health.used_up,
    )


def _engine_provider(name: str, local: LocalModel, settings: Settings) -> Provider:
    messages = name == STAND_IN_MESSAGES
    return registry.build(
        name,
        dialect="anthropic" if messages else "openai",
        base_url=local.base_url if messages else f"{local.base_url}/v1",
        api_key=local.api_key,
        connect=settings.deadlines.connect,
        grace=settings.deadlines.grace,
        uds=local.uds,
        like="vllm",
    )


def _nobody(order: Iterable[str], unusable: Mapping[str, str]) -> str:
    providers = dict.fromkeys(map(_provider, order))
    reasons = "; ".join(f"{name}: {unusable[name]}" for name in providers if name in unusable)
    return (
        f"No model in [deep] can be asked ({reasons}), and stand_in is false. "
        "Set one of these, or let the local engine stand in with `stand_in = true` in [deep]."
    )


# -- targets ----------------------------------------------------------------------------------


def _hosted_targets(upstreams: Upstreams) -> dict[str, Target]:
    """The configured orders, and every catalogued model of a provider that has a key."""
    catalogued = (
        card.name
        for card in upstreams.catalogue.cards()
        if card.provider in upstreams.usable and card.status != "retired"
    )
    return {
        name: Target(provider=_provider(name), card=upstreams.catalogue.card(name))
        for name in (*upstreams.usable_order, *catalogued)
    }


def _fast_target(local: LocalModel, catalogue: Catalogue) -> Target:
    card = catalogue.card(f"{LOCAL}/{local.model}")
    windows = [window for window in (card.window, local.window) if window]
    card = replace(card, id=local.model, window=min(windows, default=None))
    return Target(provider=LOCAL, card=card, local=True)


def _stand_in_target(name: str, fast: Target) -> Target:
    """The engine in the place of hosted model `name`, through the adapter that this one needs."""
    messages = _provider(name) == "anthropic"
    card = replace(fast.card, provider=STAND_IN_MESSAGES if messages else STAND_IN)
    if messages:  # vLLM's messages endpoint does not go on from a trailing assistant turn
        card = replace(card, abilities=replace(card.abilities, prefill="none"))
    return Target(provider=card.provider, card=card, local=True, stands_in_for=name)


def _provider(name: str) -> str:
    return name.partition("/")[0]


def _flat(lists: Iterable[Iterable[str]]) -> Iterable[str]:
    return (item for items in lists for item in items)
