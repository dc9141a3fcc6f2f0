"""Spans and metrics of one relayed request, read back from memory."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from decimal import Decimal
from time import perf_counter
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from classifier.assessment import Assessment
from models.errors import HeadstartError, ProviderAuthError
from models.stream import Usage
from router import semconv
from router.observe import Observer
from router.outcome import Outcome
from router.outcomes import SqliteOutcomes
from tests.fakes.telemetry import Point, RecordedTelemetry
from tests.router.ledger_world import EQUAL, leg, outcome

ASSESSMENT = Assessment(task="math_reasoning", p_fast=0.21, classifier="embedding-minilm-v1")


@pytest.fixture
def recorded() -> Iterator[RecordedTelemetry]:
    """Providers that keep everything in memory."""
    telemetry = RecordedTelemetry()
    yield telemetry
    telemetry.telemetry.shutdown()


def observe(observer: Observer, request: Outcome) -> None:
    """The calls that a router makes for one request."""
    observer.started(request)
    with observer.classifying(request) as found:
        found(ASSESSMENT)
    for record in request.legs:
        observer.leg_started(request, record)
        observer.leg_ended(request, record)
    observer.finished(request)


def attributes(recorded: RecordedTelemetry, name: str) -> dict[str, Any]:
    """What the one span of that name carries."""
    (span,) = [span for span in recorded.spans if span.name == name]
    return dict(span.attributes or {})


def test_a_request_is_one_trace_with_a_span_for_the_classifier_and_each_leg(
    recorded: RecordedTelemetry,
) -> None:
    observe(recorded.observer, outcome())
    *children, root = recorded.spans
    names = [span.name for span in children]
    assert names == ["classify", "chat small", "chat big", "chat other"]
    assert [span.kind for span in children[1:]] == [SpanKind.CLIENT] * 3
    assert (root.name, root.kind, root.parent) == ("chat auto", SpanKind.SERVER, None)
    assert root.context is not None
    assert {span.parent.span_id for span in children if span.parent} == {root.context.span_id}


def test_the_request_span_says_what_was_decided_and_what_it_cost(
    recorded: RecordedTelemetry,
) -> None:
    costs = (Decimal(0), Decimal(0), Decimal("0.004"))
    request = outcome(saved_usd=Decimal("0.00175"))
    for record, cost in zip(request.legs, costs, strict=True):
        record.cost_usd = cost
    observe(recorded.observer, request)
    assert attributes(recorded, "chat auto") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "auto",
        "gen_ai.request.stream": True,
        "gen_ai.response.id": "hs-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.06,
        "gen_ai.usage.input_tokens": 2000,
        "gen_ai.usage.output_tokens": 400,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "headstart.usage.estimated": False,
        "headstart.dialect": "openai",
        "headstart.route": "deep",
        "headstart.because": "maths: 0.21 is under 0.55",
        "headstart.task": "math_reasoning",
        "headstart.merge": "continue",
        "headstart.p_fast": 0.21,
        "headstart.threshold": 0.55,
        "headstart.classifier": "embedding-minilm-v1",
        "headstart.cost_usd": 0.004,
        "headstart.saved_usd": 0.00175,
    }


def test_the_span_of_a_leg_says_whom_it_asked_why_and_what_came(
    recorded: RecordedTelemetry,
) -> None:
    record = leg(
        EQUAL,
        role="failover",
        opened_because="rate_limited",
        usage=Usage(input=1000, output=200, cache_read=300, reasoning=50),
        reply_model="other-0924",
        cost_usd=Decimal("0.0035"),
    )
    observe(recorded.observer, outcome(legs=[record]))
    assert attributes(recorded, "chat other") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "other",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "other-0924",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 300,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 50,
        "headstart.usage.estimated": False,
        "headstart.leg.role": "failover",
        "headstart.leg.opened_because": "rate_limited",
        "headstart.cost_usd": 0.0035,
    }


def test_a_leg_that_failed_has_the_error_and_its_status(recorded: RecordedTelemetry) -> None:
    observe(recorded.observer, outcome())
    (failed,) = [span for span in recorded.spans if span.name == "chat big"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "slow down"
    assert attributes(recorded, "chat big")["error.type"] == "rate_limited"
    assert attributes(recorded, "chat big")["http.response.status_code"] == 429
    assert recorded.spans[-1].status.status_code is StatusCode.UNSET


def test_the_classifier_span_says_what_was_found(recorded: RecordedTelemetry) -> None:
    observe(recorded.observer, outcome())
    assert attributes(recorded, "classify") == {
        "headstart.classifier": "embedding-minilm-v1",
        "headstart.task": "math_reasoning",
        "headstart.p_fast": 0.21,
    }


def test_a_classifier_that_breaks_still_ends_its_span(recorded: RecordedTelemetry) -> None:
    request = outcome(legs=[])
    recorded.observer.started(request)
    with pytest.raises(ZeroDivisionError), recorded.observer.classifying(request):
        raise ZeroDivisionError
    recorded.observer.finished(request)
    assert [span.name for span in recorded.spans] == ["classify", "chat auto"]
    assert [point.count for point in recorded.points(semconv.CLASSIFIER_DURATION)] == [1]


def test_a_client_that_leaves_ends_every_span(recorded: RecordedTelemetry) -> None:
    request = outcome(legs=[leg(ended=None)], finish="left")
    recorded.observer.started(request)
    recorded.observer.leg_started(request, request.legs[0])
    recorded.observer.finished(request)
    assert [span.name for span in recorded.spans] == ["chat big", "chat auto"]
    assert attributes(recorded, "chat auto")["gen_ai.response.finish_reasons"] == ("left",)


@pytest.mark.anyio
async def test_parents_hold_across_generators_read_in_other_contexts(
    recorded: RecordedTelemetry,
) -> None:
    observer, request = recorded.observer, outcome(legs=[leg()])

    async def answer() -> AsyncGenerator[int, None]:
        observer.started(request)
        yield 1
        observer.leg_started(request, request.legs[0])
        yield 2
        observer.leg_ended(request, request.legs[0])
        observer.finished(request)

    stream = answer()
    foreign = trace.get_tracer("other", tracer_provider=recorded.telemetry.tracer_provider)
    with foreign.start_as_current_span("somebody else's"):
        for _ in range(3):  # each read in a task, so in a context, of its own
            await asyncio.create_task(anext(stream, 0))
    child, root, _ = recorded.spans
    assert root.parent is None
    assert root.context is not None
    assert child.parent is not None
    assert child.parent.span_id == root.context.span_id


def test_the_client_s_trace_is_joined(recorded: RecordedTelemetry) -> None:
    foreign = trace.get_tracer("other", tracer_provider=recorded.telemetry.tracer_provider)
    parent = foreign.start_span("client")
    request = outcome(legs=[leg()])
    recorded.observer.started(request, trace.set_span_in_context(parent))
    recorded.observer.finished(request)
    (span,) = recorded.spans
    assert span.parent == parent.get_span_context()


def test_no_secret_reaches_a_span(recorded: RecordedTelemetry) -> None:
    secret = "q7w8e9r0t1y2u3i4o5p6"
    error = ProviderAuthError(f"bad key sk-{secret}", provider="anthropic", upstream_status=401)
    model = f"sk-{secret}"
    observe(
        recorded.observer,
        outcome(error=error, legs=[leg(error=error)], requested_model=model),
    )
    assert len(recorded.spans) == 3
    assert secret not in "".join(span.to_json() for span in recorded.spans)


def test_nothing_is_kept_of_a_finished_request(recorded: RecordedTelemetry) -> None:
    observe(recorded.observer, outcome())
    assert not recorded.observer._traces


def points(recorded: RecordedTelemetry, metric: str, *labels: str) -> dict[Any, Point]:
    """The series of a metric, by the values of some labels."""
    return {
        tuple(point.attributes.get(label) for label in labels): point
        for point in recorded.points(metric)
    }


def test_the_standard_histograms_with_the_advised_buckets(recorded: RecordedTelemetry) -> None:
    observe(recorded.observer, outcome())
    model = semconv.REQUEST_MODEL
    duration = points(recorded, "gen_ai.client.operation.duration", model, "error.type")
    assert set(duration) == {("small", None), ("big", "rate_limited"), ("other", None)}
    assert duration["other", None].value == pytest.approx(1.8)
    assert duration["other", None].bounds == semconv.SECONDS
    first = points(recorded, "gen_ai.client.operation.time_to_first_chunk", model)
    assert set(first) == {("small",), ("other",)}  # the failed leg never spoke
    assert first["small",].value == pytest.approx(0.05)
    tokens = points(recorded, "gen_ai.client.token.usage", model, "gen_ai.token.type")
    assert tokens["other", "input"].value == 1000
    assert tokens["other", "output"].value == 200
    assert tokens["other", "output"].bounds == semconv.TOKENS
    assert not {key for key in tokens if key[0] == "big"}
    (request,) = recorded.points("gen_ai.server.request.duration")
    assert (request.value, request.bounds) == (pytest.approx(2.2), semconv.SECONDS)
    (shown,) = recorded.points("gen_ai.server.time_to_first_token")
    assert (shown.value, shown.bounds) == (pytest.approx(0.06), semconv.FIRST_TOKEN_SECONDS)


def test_the_counters_of_ours(recorded: RecordedTelemetry) -> None:
    observe(recorded.observer, outcome())
    broken = outcome(
        id="hs-2", plan=None, legs=[], error=HeadstartError("no"), finish="error", first_shown=None
    )
    observe(recorded.observer, broken)
    requests = points(
        recorded, "headstart.requests", "headstart.route", "headstart.finish", "error.type"
    )
    assert {key: point.value for key, point in requests.items()} == {
        ("deep", "stop", None): 1,
        ("none", "error", "internal_error"): 1,
    }
    handovers = points(recorded, "headstart.handovers", "headstart.handover.reason")
    assert {key: point.value for key, point in handovers.items()} == {("rate_limited",): 1}


def test_cost_and_savings_add_up(recorded: RecordedTelemetry) -> None:
    for _ in range(2):
        record = leg(EQUAL, cost_usd=Decimal("0.5"))
        observe(recorded.observer, outcome(legs=[record], saved_usd=Decimal("-0.25")))
    (cost,) = recorded.points("headstart.cost_usd")
    (saved,) = recorded.points("headstart.saved_usd")
    assert (cost.value, saved.value) == (1.0, -0.5)
    assert cost.attributes["gen_ai.provider.name"] == "gcp.gemini"


def test_what_a_client_calls_its_model_is_no_label(recorded: RecordedTelemetry) -> None:
    for at in range(50):
        observe(recorded.observer, outcome(id=str(at), requested_model=f"gpt-{at}"))
    assert len(recorded.points("headstart.requests")) == 1
    assert len(recorded.points("gen_ai.server.request.duration")) == 1


def test_a_store_s_counts_are_read_when_metrics_are(
    recorded: RecordedTelemetry, tmp_path: Any
) -> None:
    store = SqliteOutcomes(tmp_path / "headstart.db")
    recorded.observer.watch(store)
    store.record(outcome())
    store.close()
    store.record(outcome())
    (stored,) = recorded.points("headstart.outcomes.stored")
    (dropped,) = recorded.points("headstart.outcomes.dropped")
    assert (stored.value, dropped.value) == (1, 1)


def test_without_an_sdk_observing_a_request_costs_next_to_nothing() -> None:
    observer, request = Observer(), outcome()

    def per_request() -> float:
        began = perf_counter()
        for _ in range(200):
            observe(observer, request)
        return (perf_counter() - began) / 200

    # The best of several rounds: what else runs on this machine is not what is measured.
    assert min(per_request() for _ in range(20)) < 50e-6
