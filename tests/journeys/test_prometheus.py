"""A real Prometheus scrapes /metrics over a socket and understands all of it."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn

from router.observe import Observer
from router.outcomes import SqliteOutcomes
from serving.telemetry import Telemetry, configure
from tests.router.ledger_world import outcome

_T = TypeVar("_T")
DASHBOARD = Path(__file__).parents[2] / "scripts" / "grafana" / "headstart.json"
PATIENCE = 30.0  # seconds; each wait is over as soon as what it waits for is there


def _binary(name: str) -> str:
    """Where it is; a test that can install it must not skip."""
    found = shutil.which(name)
    if found is None and os.geteuid() != 0:
        pytest.skip(f"{name} is missing and only root can install it: apt-get install prometheus")
    assert found, f"{name} is missing: apt-get install prometheus (scripts/test does it)"
    return found


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telemetry]:
    """Metrics after one observed request."""
    configured = configure({})
    observer = Observer(configured.tracer_provider, configured.meter_provider)
    store = SqliteOutcomes(tmp_path_factory.mktemp("outcomes") / "headstart.db")
    observer.watch(store)
    request = outcome()
    observer.started(request)
    for record in request.legs:
        observer.leg_started(request, record)
        observer.leg_ended(request, record)
    observer.finished(request)
    yield configured
    store.close()
    configured.shutdown()


@contextmanager
def _serving(telemetry: Telemetry) -> Generator[int]:
    """A uvicorn with nothing but /metrics; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app(telemetry), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _app(telemetry: Telemetry) -> Callable[[Any, Any, Any], Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, content_type = telemetry.render_metrics()
        headers = [(b"content-type", content_type.encode())]
        status = 200 if scope["path"] == "/metrics" else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@contextmanager
def _prometheus(folder: Path, target: int) -> Generator[str]:
    """A Prometheus that scrapes that port each second; gives its address."""
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "headstart", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(config))  # JSON is YAML
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = (folder / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL"),  # it ends with us, however we end
            _binary("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        log.close()


def _await(ask: Callable[[], _T | None]) -> _T:
    """What `ask` gives, as soon as it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{ask.__name__}: nothing after {PATIENCE:g} s")


def _get(url: str, **params: str) -> Any:
    """The data of one answer of Prometheus's API; None while it does not answer."""
    try:
        reply = httpx.get(url, params=params)
    except httpx.TransportError:
        return None
    return reply.json()["data"] if reply.status_code == 200 else None


@pytest.fixture(scope="module")
def prometheus(telemetry: Telemetry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped those metrics."""
    folder = tmp_path_factory.mktemp("prometheus")
    with _serving(telemetry) as port, _prometheus(folder, port) as address:

        def first_series() -> Any:
            known = _get(f"{address}/api/v1/query", query="headstart_requests_total")
            return known and known["result"]

        _await(first_series)
        yield address


def test_prometheus_scrapes_every_series_without_an_error(prometheus: str) -> None:
    (target,) = _get(f"{prometheus}/api/v1/targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    query = 'headstart_requests_total{headstart_route="deep"}'
    (series,) = _get(f"{prometheus}/api/v1/query", query=query)["result"]
    assert series["value"][1] == "1"
    assert {
        "gen_ai_server_time_to_first_token_seconds_bucket",
        "gen_ai_client_token_usage_sum",
        "headstart_handovers_total",
        "headstart_outcomes_dropped_total",
        "target_info",
    } <= set(_get(f"{prometheus}/api/v1/label/__name__/values"))


def test_prometheus_accepts_every_query_of_the_dashboard(prometheus: str) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for target in (target for panel in panels for target in panel["targets"]):
        query = target["expr"].replace("$instance", ".*")
        query = query.replace("$__rate_interval", "1m").replace("$__range", "5m")
        assert _get(f"{prometheus}/api/v1/query", query=query) is not None, query


def test_promtool_finds_nothing_to_mend(telemetry: Telemetry) -> None:
    body, _ = telemetry.render_metrics()
    check = subprocess.run(
        [_binary("promtool"), "check", "metrics"], input=body, capture_output=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
