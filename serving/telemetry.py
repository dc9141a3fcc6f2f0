"""Configures the OpenTelemetry SDK: the only file that imports it.

Metrics can always be read from /metrics. Nothing leaves this machine unless the environment names
a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`, or its `_TRACES_` and `_METRICS_` forms); then the
SDK's own variables apply as they stand (headers, timeouts, sampler, service name).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import monotonic

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider, TracerProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
_FLUSH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was configured. Give both providers to `router.observe.Observer`."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    registry: CollectorRegistry

    def render_metrics(self) -> tuple[bytes, str]:
        """The body of /metrics and its content type. Takes milliseconds: call it off the loop."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def shutdown(self) -> None:
        """Send what is still to be sent, for three seconds at most: a collector may be down."""
        providers = (self.tracer_provider, self.meter_provider)
        closing = [
            threading.Thread(target=provider.shutdown, daemon=True)
            for provider in providers
            if isinstance(provider, SdkTracerProvider | SdkMeterProvider)
        ]
        for thread in closing:
            thread.start()
        end = monotonic() + _FLUSH_SECONDS
        for thread in closing:
            thread.join(max(0.0, end - monotonic()))


def configure(
    environ: Mapping[str, str] = os.environ,
    *,
    span_processors: Sequence[SpanProcessor] = (),
    metric_readers: Sequence[MetricReader] = (),
) -> Telemetry:
    """Providers for this process. Tests pass in-memory processors and readers of their own."""
    resource = _resource()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    # One scope and one resource: their labels on every series would say nothing.
    readers: list[MetricReader] = [
        PrometheusMetricReader(scope_info_enabled=False, registry=registry),
        *metric_readers,
    ]
    if environ.get(_ENDPOINT) or environ.get(_METRICS_ENDPOINT):
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    processors = list(span_processors)
    if environ.get(_ENDPOINT) or environ.get(_TRACES_ENDPOINT):
        processors.append(BatchSpanProcessor(OTLPSpanExporter()))
    return Telemetry(
        tracer_provider=_tracer_provider(resource, processors),
        meter_provider=SdkMeterProvider(
            metric_readers=readers, resource=resource, shutdown_on_exit=False
        ),
        registry=registry,
    )


def _tracer_provider(resource: Resource, processors: Sequence[SpanProcessor]) -> TracerProvider:
    """Spans that nobody would see are not made at all."""
    if not processors:
        return NoOpTracerProvider()
    provider = SdkTracerProvider(resource=resource, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def _resource() -> Resource:
    """Who reports. A name in OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES wins over ours."""
    try:
        release = version("headstart")
    except PackageNotFoundError:  # run from a folder without installing it
        release = "unknown"
    resource = Resource.create({SERVICE_VERSION: release})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "headstart"}))
    return resource
