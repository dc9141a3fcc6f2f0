"""Telemetry leaves only when the environment names a collector, and /metrics always answers."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from opentelemetry.trace import NoOpTracerProvider
from typing_extensions import override

from router.observe import Observer
from router.outcomes import SqliteOutcomes
from serving.telemetry import Telemetry, configure
from tests.router.ledger_world import outcome

DASHBOARD = Path(__file__).parents[2] / "scripts" / "grafana" / "headstart.json"


def observe(telemetry: Telemetry) -> Observer:
    """One request, observed with these providers."""
    observer = Observer(telemetry.tracer_provider, telemetry.meter_provider)
    request = outcome(saved_usd=Decimal(1))
    observer.started(request)
    with observer.classifying(request):
        pass
    for record in request.legs:
        record.cost_usd = Decimal("0.004")
        observer.leg_started(request, record)
        observer.leg_ended(request, record)
    observer.finished(request)
    return observer


@dataclass
class Collector:
    """An OTLP collector on loopback: the paths that were posted to, and their bodies."""

    server: ThreadingHTTPServer
    posts: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running collector."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield Collector(server, received)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "METRICS_ENDPOINT"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


def test_without_a_collector_there_are_no_spans_and_no_exporter_threads() -> None:
    before = set(threading.enumerate())
    telemetry = configure()
    observe(telemetry)
    assert isinstance(telemetry.tracer_provider, NoOpTracerProvider)
    assert set(threading.enumerate()) == before
    telemetry.shutdown()


def test_a_named_collector_gets_traces_and_metrics(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    telemetry = configure()
    observe(telemetry)
    telemetry.shutdown()
    bodies = dict(collector.posts)
    assert set(bodies) == {"/v1/traces", "/v1/metrics"}
    assert b"chat other" in bodies["/v1/traces"]
    assert b"gen_ai.client.operation.duration" in bodies["/v1/metrics"]
    assert b"headstart" in bodies["/v1/traces"]  # service.name


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_a_collector_for_one_signal_gets_that_one(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    name = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    monkeypatch.setenv(name, f"{collector.url}/v1/{signal}")
    telemetry = configure()
    observe(telemetry)
    telemetry.shutdown()
    assert {path for path, _ in collector.posts} == {f"/v1/{signal}"}


def test_a_collector_that_is_down_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    telemetry = configure()
    observe(telemetry)
    began = perf_counter()
    telemetry.shutdown()
    assert perf_counter() - began < 8  # the exporter itself would try for over ten


def test_a_service_name_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "front-door")
    telemetry = configure()
    observe(telemetry)
    assert b'service_name="front-door"' in telemetry.render_metrics()[0]
    telemetry.shutdown()


def test_metrics_render_as_prometheus_text() -> None:
    telemetry = configure()
    observe(telemetry)
    body, content_type = telemetry.render_metrics()
    text = body.decode()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert 'service_name="headstart"' in text
    assert re.search(
        r'^headstart_requests_total\{.*headstart_route="deep".*\} 1\.0$', text, re.MULTILINE
    )
    assert "process_resident_memory_bytes" in text
    assert "otel_scope" not in text
    telemetry.shutdown()


def test_the_dashboard_asks_only_for_series_that_exist(tmp_path: Path) -> None:
    telemetry = configure()
    store = SqliteOutcomes(tmp_path / "headstart.db")
    observe(telemetry).watch(store)
    text = telemetry.render_metrics()[0].decode()
    store.close()
    telemetry.shutdown()
    exposed = set(re.findall(r"^([a-z0-9_]+)[{ ]", text, re.MULTILINE))
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    assert len(queries) >= 8
    for query in queries:
        asked = set(re.findall(r"\b((?:headstart|gen_ai|process)_[a-z0-9_]+)(?=\{|\[)", query))
        assert asked, query
        assert asked <= exposed, query
        grouped = {
            label.strip()
            for group in re.findall(r"by \(([^)]*)\)", query)
            for label in group.split(",")
        }
        assert grouped <= labels, query


def test_the_dashboard_has_the_shape_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(dashboard)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert all(t["datasource"]["uid"] == "${datasource}" for t in panel.get("targets", ()))
