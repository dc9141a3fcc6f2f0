"""What every test gets: asyncio, no network but loopback, a clean environment, one real engine."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings

from serving.engines.engine import Engine
from serving.engines.fleet import running
from serving.engines.plan import EngineSpec, inspect_machine

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True)
settings.load_profile("dev")

ENGINE_FIXTURES = {"engine", "engine_url"}
ENGINE_START = 420  # seconds: the first start ever unpacks the weights, on a busy machine


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine]:
    """The real CPU engine with the demo model: one for the whole run, on a loopback port."""
    env = dict(os.environ)  # noqa: TID251
    env["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    env["ANTHROPIC_API_KEY"] = "no engine may see this"
    spec = EngineSpec(role="fast", model="demo")
    engines = running([spec], inspect_machine(env), env, loopback=True)
    # A loop in a thread of its own, so that each test may have its own loop too.
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(engines) as ready:
        yield ready["fast"]


@pytest.fixture(scope="session")
def engine_url(engine: Engine) -> str:
    """Where the real engine answers, without `/v1`."""
    return engine.address.base_url


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no key of the person who runs the tests."""
    for name in list(os.environ):  # noqa: TID251
        if name.startswith("HEADSTART__") or name.endswith(("_API_KEY", "_TOKEN")):
            monkeypatch.delenv(name)


class RefusedConnection(AssertionError):
    """A test tried to leave this machine."""


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Generator[None]:
    """Refuse every connection to another machine."""
    really_connect, really_connect_ex = socket.socket.connect, socket.socket.connect_ex

    def connect(self: socket.socket, address: Any) -> None:
        check_loopback(self, address)
        really_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        check_loopback(self, address)
        return really_connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield


def check_loopback(connecting: socket.socket, address: Any) -> None:
    if connecting.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    if host not in ("localhost", "::1") and not host.startswith("127."):
        raise RefusedConnection(f"tests may not connect to {address}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the real engine, and give it time to start."""
    for item in items:
        if ENGINE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("engine")
        if item.get_closest_marker("engine") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(ENGINE_START))
