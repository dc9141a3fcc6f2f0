"""The metrics: which there are, and what is recorded in them when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.util.types import AttributeValue

from models.errors import HeadstartError
from router import semconv
from router.learning.records import Comparison
from router.outcome import LegRecord, Outcome
from router.outcomes import OutcomeStore

Attributes: TypeAlias = dict[str, AttributeValue]


class Instruments:
    """The metrics, and what is recorded in them."""

    def __init__(self, provider: MeterProvider | None) -> None:
        """Create every instrument once; without an SDK each is a no-op."""
        meter = metrics.get_meter(semconv.SCOPE, meter_provider=provider)
        self._meter = meter
        self._leg_seconds = meter.create_histogram(
            semconv.CLIENT_DURATION,
            unit="s",
            description="Duration of one model call (leg).",
            explicit_bucket_boundaries_advisory=semconv.SECONDS,
        )
        self._leg_first = meter.create_histogram(
            semconv.CLIENT_TIME_TO_FIRST_CHUNK,
            unit="s",
            description="Time from a leg's start to its first content.",
            explicit_bucket_boundaries_advisory=semconv.SECONDS,
        )
        self._tokens = meter.create_histogram(
            semconv.CLIENT_TOKEN_USAGE,
            unit="{token}",
            description="Input and output tokens of one leg.",
            explicit_bucket_boundaries_advisory=semconv.TOKENS,
        )
        self._request_seconds = meter.create_histogram(
            semconv.SERVER_DURATION,
            unit="s",
            description="Duration of a request, to its last byte.",
            explicit_bucket_boundaries_advisory=semconv.SECONDS,
        )
        self._request_first = meter.create_histogram(
            semconv.SERVER_TIME_TO_FIRST_TOKEN,
            unit="s",
            description="Time from a request's arrival to the first thing shown.",
            explicit_bucket_boundaries_advisory=semconv.FIRST_TOKEN_SECONDS,
        )
        self.classifier_seconds = meter.create_histogram(
            semconv.CLASSIFIER_DURATION,
            unit="s",
            description="Time that one assessment took.",
            explicit_bucket_boundaries_advisory=semconv.FIRST_TOKEN_SECONDS,
        )
        self._requests = meter.create_counter(
            semconv.REQUESTS, unit="{request}", description="Requests by route, finish and error."
        )
        self.handovers = meter.create_counter(
            semconv.HANDOVERS, unit="{handover}", description="Legs that took over, by reason."
        )
        self._cost = meter.create_counter(
            semconv.COST, unit="{USD}", description="Dollars billed by providers, where known."
        )
        self._saved = meter.create_up_down_counter(
            semconv.SAVED,
            unit="{USD}",
            description="Dollars saved against the first deep model answering alone.",
        )
        self.feedback = meter.create_counter(
            semconv.FEEDBACK, unit="{verdict}", description="Feedback on answers, by kind."
        )
        self.comparisons = meter.create_counter(
            semconv.COMPARISONS,
            unit="{comparison}",
            description="Fast answers compared with the deep model's, or why not.",
        )
        self._comparisons_cost = meter.create_counter(
            semconv.COMPARISONS_COST,
            unit="{USD}",
            description="Dollars that comparisons cost, where known; part of what was billed.",
        )

    def leg(self, leg: LegRecord) -> None:
        """Record one finished leg."""
        call = call_attributes(leg)
        spent = (leg.ended or leg.started) - leg.started
        self._leg_seconds.record(spent, call | error_attributes(leg.error))
        if leg.first_event is not None:
            self._leg_first.record(leg.first_event - leg.started, call)
        for kind, count in (("input", leg.usage.input), ("output", leg.usage.output)):
            if count:
                self._tokens.record(count, call | {semconv.TOKEN_TYPE: kind})
        if leg.cost_usd:
            self._cost.add(float(leg.cost_usd), call)

    def request(self, outcome: Outcome) -> None:
        """Record one finished request."""
        where = {
            semconv.OPERATION_NAME: semconv.CHAT,
            semconv.PROVIDER_NAME: semconv.SCOPE,
            semconv.ROUTE: outcome.plan.route if outcome.plan else "none",
        }
        error = error_attributes(outcome.error)
        arm = {semconv.EXPERIMENT: outcome.experiment} if outcome.experiment else {}
        self._requests.add(1, where | error | arm | {semconv.FINISH: outcome.finish})
        self._request_seconds.record(outcome.duration or 0.0, where | error)
        if outcome.first_shown is not None:
            self._request_first.record(outcome.first_shown, where)
        if outcome.saved_usd:
            self._saved.add(float(outcome.saved_usd))

    def comparison(self, row: Comparison) -> None:
        """Record one shadow comparison, with or without a verdict."""
        self.comparisons.add(1, {semconv.VERDICT: _winner(row)})
        if row.cost_usd:
            self._comparisons_cost.add(float(row.cost_usd))

    def watch(self, store: OutcomeStore) -> None:
        """Read a store's two counts whenever metrics are collected."""

        def count(read: Callable[[], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
            return lambda _options: [Observation(read())]

        self._meter.create_observable_counter(
            semconv.OUTCOMES_STORED,
            callbacks=[count(lambda: store.stored)],
            description="Outcomes written.",
        )
        self._meter.create_observable_counter(
            semconv.OUTCOMES_DROPPED,
            callbacks=[count(lambda: store.dropped)],
            description="Outcomes lost: the queue was full, or a write failed.",
        )


def _winner(row: Comparison) -> str:
    if row.fast_quality is None or row.deep_quality is None:
        return "none"
    if row.fast_quality == row.deep_quality:
        return "equal"
    return "fast" if row.fast_quality > row.deep_quality else "deep"


def call_attributes(leg: LegRecord) -> Attributes:
    """Which model was asked. The client's own words stay out: metrics need few label values."""
    provider = leg.target.provider
    return {
        semconv.OPERATION_NAME: semconv.CHAT,
        semconv.PROVIDER_NAME: semconv.PROVIDERS.get(provider, provider),
        semconv.REQUEST_MODEL: leg.target.card.id,
    }


def error_attributes(error: HeadstartError | None) -> Attributes:
    """The error's code, which has few values, where there is an error."""
    return {semconv.ERROR_TYPE: error.code} if error else {}
