"""Everyone we can ask: the providers by name, the targets, and who should rest a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from models.catalogue import Catalogue
from models.errors import Unsupported
from router.deadline import Clock
from router.health import HealthReport, TargetHealth
from router.outcome import LegRecord
from router.plan import Target
from router.policy import FleetView
from router.providers.base import Provider


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
        self._health: dict[str, TargetHealth] = {}

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
        ready = self._fast is not None and self._fast_ready()
        return FleetView(
            fast=self._fast if ready else None,
            hosted=self._hosted,
            resting=frozenset(n for n, health in self._health.items() if health.rests(now)),
            first_event_p95={
                name: p95
                for name, health in self._health.items()
                if (p95 := health.first_event_quantile(0.95)) is not None
            },
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

    def leg_opened(self, leg: LegRecord) -> None:
        """A leg is asked of its target."""
        if not leg.target.local:
            self._health_of(leg.target).asked(self._clock())

    def leg_ended(self, leg: LegRecord) -> None:
        """What the leg tells of its target's health."""
        if leg.target.local:
            return
        health = self._health_of(leg.target)
        if leg.error is not None:
            health.failed(leg.error, self._clock())
        elif leg.first_event is not None:
            health.succeeded(leg.first_event - leg.started)
        else:
            health.abandoned()

    def health(self) -> dict[str, HealthReport]:
        """Every hosted target that was asked, by name."""
        now = self._clock()
        return {name: health.report(now) for name, health in sorted(self._health.items())}

    def _health_of(self, target: Target) -> TargetHealth:
        return self._health.setdefault(target.name, TargetHealth())

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers.values():
            await provider.aclose()
