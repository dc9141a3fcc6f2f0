"""Spans and metrics of requests, through the OpenTelemetry API alone: no SDK, no-op.

One server span per request, under it one for the classifier and one client span per leg. Parents
are named, never taken from the current context: a request's generator runs in whatever context
its reader happens to have. Nothing is recorded per token.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    TracerProvider,
)
from opentelemetry.util.types import AttributeValue

from classifier.assessment import Assessment
from models.errors import HeadstartError, ProviderError
from models.redact import redact
from models.stream import Usage
from router import semconv
from router.instruments import Attributes, Instruments, call_attributes, error_attributes
from router.learning.records import Comparison, Feedback
from router.outcome import LegRecord, Outcome
from router.outcomes import OutcomeStore


@dataclass(slots=True)
class _Trace:
    """The open spans of one request."""

    span: Span
    context: Context
    legs: dict[int, Span] = field(default_factory=dict[int, Span])  # by identity of the record


class Observer:
    """Told of each step of a request; explicit starts and ends, safe across generators."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        """Without providers, the process-wide ones count: no-ops unless something set them."""
        self._tracer = trace.get_tracer(semconv.SCOPE, tracer_provider=tracer_provider)
        self._metrics = Instruments(meter_provider)
        self._traces: dict[str, _Trace] = {}

    def watch(self, store: OutcomeStore) -> None:
        """Report how many outcomes this store wrote and lost."""
        self._metrics.watch(store)

    def started(self, outcome: Outcome, parent: Context | None = None) -> None:
        """The request begins; `parent` is the client's trace, where it sent one."""
        span = self._tracer.start_span(
            semconv.CHAT, context=parent or Context(), kind=SpanKind.SERVER
        )
        if not span.is_recording():
            return
        model = redact(outcome.requested_model)  # the client's own words
        span.update_name(f"{semconv.CHAT} {model}")
        span.set_attributes(
            {
                semconv.OPERATION_NAME: semconv.CHAT,
                semconv.REQUEST_MODEL: model,
                semconv.REQUEST_STREAM: outcome.stream,
                semconv.RESPONSE_ID: outcome.id,
                semconv.DIALECT: outcome.dialect,
            }
        )
        context = trace.set_span_in_context(span, parent or Context())
        self._traces[outcome.id] = _Trace(span, context)

    @contextmanager
    def classifying(self, outcome: Outcome) -> Generator[Callable[[Assessment], None]]:
        """The classifier is at work; call what this gives with the assessment, if one is made.

        Enter and leave it in one coroutine.
        """
        opened = self._traces.get(outcome.id)
        context = opened.context if opened else Context()
        span = self._tracer.start_span("classify", context=context) if opened else INVALID_SPAN
        began = perf_counter()

        def found(assessment: Assessment) -> None:
            span.set_attributes(
                {
                    semconv.CLASSIFIER: assessment.classifier,
                    semconv.TASK: assessment.task,
                    semconv.P_FAST: assessment.p_fast,
                }
            )

        try:
            yield found
        finally:
            self._metrics.classifier_seconds.record(perf_counter() - began)
            span.end()

    def leg_started(self, outcome: Outcome, leg: LegRecord) -> None:
        """A leg was opened."""
        if leg.opened_because != "plan":
            self._metrics.handovers.add(1, {semconv.HANDOVER_REASON: leg.opened_because})
        opened = self._traces.get(outcome.id)
        if opened is None:
            return
        opened.legs[id(leg)] = self._tracer.start_span(
            f"{semconv.CHAT} {leg.target.card.id}",
            context=opened.context,
            kind=SpanKind.CLIENT,
            attributes={
                **call_attributes(leg),
                semconv.REQUEST_STREAM: True,
                semconv.LEG_ROLE: leg.role,
                semconv.LEG_OPENED_BECAUSE: leg.opened_because,
            },
        )

    def leg_ended(self, outcome: Outcome, leg: LegRecord) -> None:
        """A leg's record is complete, cost included."""
        self._metrics.leg(leg)
        opened = self._traces.get(outcome.id)
        span = opened.legs.pop(id(leg), None) if opened else None
        if span is None:
            return
        span.set_attributes(_usage(leg.usage) | _leg_facts(leg))
        _mark_error(span, leg.error)
        span.end()

    def finished(self, outcome: Outcome) -> None:
        """The request is over, whatever became of it. Every span of it ends now."""
        self._metrics.request(outcome)
        opened = self._traces.pop(outcome.id, None)
        if opened is None:
            return
        for span in opened.legs.values():
            span.end()
        opened.span.set_attributes(_usage(outcome.usage) | _request_facts(outcome))
        _mark_error(opened.span, outcome.error)
        opened.span.end()

    def called(self, leg: LegRecord) -> None:
        """A model was called outside of any request's trace."""
        self._metrics.leg(leg)

    def said(self, feedback: Feedback) -> None:
        """Feedback came, or was inferred."""
        self._metrics.feedback.add(1, {semconv.FEEDBACK_KIND: feedback.kind})

    def compared(self, row: Comparison) -> None:
        """A shadow comparison is over."""
        self._metrics.comparison(row)

    def comparison_skipped(self, why: str) -> None:
        """A fast answer was drawn, but not compared; `why` has few values."""
        self._metrics.comparisons.add(1, {semconv.VERDICT: why})


def _usage(usage: Usage) -> Attributes:
    return {
        semconv.INPUT_TOKENS: usage.input,
        semconv.OUTPUT_TOKENS: usage.output,
        semconv.CACHE_READ_TOKENS: usage.cache_read,
        semconv.CACHE_WRITE_TOKENS: usage.cache_write,
        semconv.REASONING_TOKENS: usage.reasoning,
        semconv.USAGE_ESTIMATED: usage.estimated,
    }


def _leg_facts(leg: LegRecord) -> Attributes:
    first = None if leg.first_event is None else leg.first_event - leg.started
    return _present(
        {
            semconv.FINISH_REASONS: [leg.finish],
            semconv.RESPONSE_MODEL: leg.reply_model,
            semconv.TIME_TO_FIRST_CHUNK: first,
            semconv.STANDS_IN_FOR: leg.target.stands_in_for,
            semconv.COST_USD: None if leg.cost_usd is None else float(leg.cost_usd),
        }
    )


def _request_facts(outcome: Outcome) -> Attributes:
    plan, cost, saved = outcome.plan, outcome.cost_usd, outcome.saved_usd
    return _present(
        {
            semconv.FINISH_REASONS: [outcome.finish],
            semconv.TIME_TO_FIRST_CHUNK: outcome.first_shown,
            semconv.CLASSIFIER: outcome.classifier,
            semconv.ROUTE: plan.route if plan else None,
            semconv.BECAUSE: plan.because if plan else None,
            semconv.TASK: plan.task if plan else None,
            semconv.MERGE: plan.merge if plan else None,
            semconv.P_FAST: plan.p_fast if plan else None,
            semconv.EXPERIMENT: outcome.experiment,
            semconv.THRESHOLD: plan.threshold if plan else None,
            semconv.COST_USD: None if cost is None else float(cost),
            semconv.SAVED_USD: None if saved is None else float(saved),
        }
    )


def _present(attributes: Mapping[str, AttributeValue | None]) -> Attributes:
    """Without what is not known."""
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def _mark_error(span: Span, error: HeadstartError | None) -> None:
    if error is None:
        return
    span.set_attributes(error_attributes(error))
    if isinstance(error, ProviderError) and error.upstream_status:
        span.set_attribute(semconv.HTTP_STATUS, error.upstream_status)
    span.set_status(Status(StatusCode.ERROR, redact(error.message)))
