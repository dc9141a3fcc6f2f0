"""Dollars of samples that have none: the fast tier's are 0, the deep tier's are those of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from classifier.tuning.samples import Sample
from models.catalogue import Catalogue
from models.prices import cost
from models.stream import Usage
from router.chain import ORDINARY, Order, groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """By the first model with a price in the order that holds for a task."""

    catalogue: Catalogue
    model: str  # of tasks without an order of their own; "": there is none with a price
    at: datetime
    tasks: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls, order: Order, tasks: Mapping[str, Order], catalogue: Catalogue, at: datetime
    ) -> Pricing:
        """From the orders of [deep] and [deep.tasks]."""

        def priced(*orders: Order) -> str:
            names = (name for group in groups(*orders) for name in group)
            found = (n for n in names if cost(ORDINARY, catalogue.card(n), at) is not None)
            return next(found, "")

        return cls(
            catalogue=catalogue,
            model=priced(order),
            at=at,
            tasks={task: priced(own, order) for task, own in tasks.items()},
        )

    @property
    def note(self) -> str:
        """In a sentence."""
        names = sorted({self.model, *self.tasks.values()} - {""})
        if not names:
            return "No model of [deep] has a known price, so dollars are missing."
        return f"Where no dollars were recorded they are estimated by the prices of {', '.join(names)}."

    def deep(self, usage: Usage, task: str) -> float | None:
        """What the deep tier would take for it."""
        model = self.tasks.get(task, self.model)
        usd = cost(usage, self.catalogue.card(model), self.at) if model else None
        return None if usd is None else float(usd)

    def fill(self, sample: Sample, usage: Usage) -> Sample:
        """The sample with dollars; also those of the two tasks where it was taken for another."""
        named, said = sample.named_task, sample.said_task or sample.task
        return replace(
            sample,
            fast_usd=0.0 if sample.fast_usd is None else sample.fast_usd,
            deep_usd=self.deep(usage, sample.task) if sample.deep_usd is None else sample.deep_usd,
            named_deep_usd=self.deep(usage, named) if named else None,
            said_deep_usd=self.deep(usage, said) if named else None,
        )
