"""Everyone we can ask: the providers by name, the targets, and who should rest a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from models.catalogue import Catalogue
from models.errors import Unsupported
from router.health import HealthBook, HealthReport
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
        health: HealthBook | None = None,
    ) -> None:
        """Keep the parts.

        hosted: `provider/model` to its target. unusable: provider to the reason and the way out,
        for those without a key. fast_ready: asks the engine's state. health: where the providers
        note what their replies say of limits.
        """
        self._providers = providers
        self._fast = fast
        self._hosted = hosted
        self._unusable = unusable or {}
        self._fast_ready = fast_ready
        self._health = health or HealthBook()

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
        now = self._health.clock()
        ready = self._fast is not None and self._fast_ready()
        return FleetView(
            fast=self._fast if ready else None,
            hosted=self._hosted,
            resting=frozenset(name for name, health in self._health if health.rests(now)),
            first_event_p95={
                name: p95
                for name, health in self._health
                if (p95 := health.first_event_quantile(0.95)) is not None
            },
            records={name: health.record() for name, health in self._health},
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
            self._health.of(leg.target.name).asked(self._health.clock())

    def leg_ended(self, leg: LegRecord) -> None:
        """What the leg tells of its target's health."""
        if leg.target.local:
            return
        health = self._health.of(leg.target.name)
        if leg.error is not None:
            health.failed(leg.error, self._health.clock())
        elif leg.first_event is not None:
            health.succeeded(leg.first_event - leg.started)
        else:
            health.abandoned((leg.ended or leg.started) - leg.started)

    def health(self, *, also: Iterable[str] = ()) -> dict[str, HealthReport]:
        """Every hosted target that was asked, by name; and those of `also`."""
        now = self._health.clock()
        names = {*also, *(name for name, _ in self._health)}
        return {name: self._health.of(name).report(now) for name in sorted(names)}

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers.values():
            await provider.aclose()
