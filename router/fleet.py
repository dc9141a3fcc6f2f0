"""Everyone we can ask: the providers by name, the targets, and who should rest a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from models.catalogue import Catalogue
from models.errors import (
    HeadstartError,
    Overloaded,
    ProviderAuthError,
    QuotaExhausted,
    RateLimited,
    Unsupported,
)
from router.deadline import Clock
from router.plan import Target
from router.policy import FleetView
from router.providers.base import Provider

_REST = 5.0  # seconds after an overload or a rate limit without a stated delay
_LONG_REST = 300.0  # seconds after a refused key or an empty account


class Fleet:
    """The composition root builds one; the policy sees it as a `FleetView`."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        *,
        fast: Target | None,
        hosted: Mapping[str, Target],
        unusable: Mapping[str, str] | None = None,
        fast_ready: Callable[[], bool] = lambda: True,
        clock: Clock = time.monotonic,
    ) -> None:
        """Keep the parts.

        hosted: `provider/model` to its target. unusable: provider to the reason and the way out,
        for those without a key. fast_ready: asks the engine's state.
        """
        self._providers = providers
        self._fast = fast
        self._hosted = hosted
        self._unusable = unusable or {}
        self._fast_ready = fast_ready
        self._clock = clock
        self._resting: dict[str, float] = {}

    @property
    def fast(self) -> Target | None:
        """The local engine's target, ready or not."""
        return self._fast

    @property
    def hosted(self) -> Mapping[str, Target]:
        """Usable hosted targets by name."""
        return self._hosted

    def view(self) -> FleetView:
        """A snapshot for the policy."""
        now = self._clock()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        ready = self._fast is not None and self._fast_ready()
        return FleetView(
            fast=self._fast if ready else None,
            hosted=self._hosted,
            resting=frozenset(self._resting),
        )

    @property
    def provider_names(self) -> tuple[str, ...]:
        """Every provider that configuration knows, usable or not."""
        return (*self._providers, *self._unusable)

    def pinned(self, name: str, catalogue: Catalogue) -> Target:
        """The target a client named; raises Unsupported when its provider cannot be asked."""
        provider = name.partition("/")[0]
        if name in self._hosted:
            return self._hosted[name]
        if self._fast is not None and provider == self._fast.provider:
            return self._fast
        if provider in self._providers:
            return Target(provider=provider, card=catalogue.card(name))
        reason = self._unusable.get(provider, f"there is no provider {provider!r} here")
        raise Unsupported(f"{name} cannot be asked: {reason}", param="model")

    def provider(self, target: Target) -> Provider:
        """Whom to ask for this target."""
        return self._providers[target.provider]

    def note_failure(self, target: Target, error: HeadstartError) -> None:
        """Let a target rest that said so; other failures say nothing about the next request."""
        rest = 0.0
        if isinstance(error, RateLimited | Overloaded):
            rest = _REST if error.retry_after is None else error.retry_after
        elif isinstance(error, QuotaExhausted | ProviderAuthError):
            rest = _LONG_REST
        if rest and not target.local:
            self._resting[target.name] = self._clock() + rest

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers.values():
            await provider.aclose()
