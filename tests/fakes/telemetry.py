"""Telemetry that stays in memory: real SDK providers, read back by a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.metrics.export import (  # noqa: TID251
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan  # noqa: TID251
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: TID251
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: TID251
    InMemorySpanExporter,
)

from router.observe import Observer
from serving.telemetry import configure


@dataclass(frozen=True, slots=True)
class Point:
    """One series of a metric. `value` is a counter's sum, or the sum of a histogram's values."""

    attributes: dict[str, Any]
    value: float
    count: int
    bounds: tuple[float, ...]


class RecordedTelemetry:
    """Give `observer` to a router; read `spans` and `points` when its requests are over."""

    def __init__(self) -> None:
        """Nothing is shared with another instance, and nothing leaves."""
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.telemetry = configure(
            {},
            span_processors=[SimpleSpanProcessor(self._exporter)],
            metric_readers=[self._reader],
        )
        self.observer = Observer(self.telemetry.tracer_provider, self.telemetry.meter_provider)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Ended spans, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def points(self, metric: str) -> list[Point]:
        """All series of one metric."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        return [
            _point(point)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for found in scope.metrics
            if found.name == metric
            for point in found.data.data_points
        ]


def _point(point: Any) -> Point:
    attributes = dict(point.attributes or {})
    if isinstance(point, HistogramDataPoint):
        return Point(attributes, point.sum, point.count, tuple(point.explicit_bounds))
    assert isinstance(point, NumberDataPoint)
    return Point(attributes, point.value, 1, ())
