"""The listening socket and the web server on it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from models.errors import ConfigError

_BACKLOG: Final = 2048
_KEEP_ALIVE: Final = 75  # seconds; longer than clients keep a connection, so they close it
_GRACE: Final = 3  # seconds that open answers get when we are told to stop


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, taken before anything slow starts, so that nobody can take it meanwhile."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(f"The host {host!r} has no address here: {error.strerror}.") from None
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise ConfigError(_refused(host, port, error)) from None
    return bound


def _refused(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken by another program: stop it, or choose another with "
            f"--port {port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges: choose one above 1023 with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}."


class Server(uvicorn.Server):
    """uvicorn that says when it listens and leaves signals to its caller."""

    def __init__(self, app: FastAPI, on_listening: Callable[[], None]) -> None:
        """Fast parts, no access log, a short goodbye."""
        config = uvicorn.Config(
            app,
            http="httptools",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        )
        super().__init__(config)
        self._on_listening = on_listening

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        self._on_listening()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Engines must stop on Ctrl-C too, so one place handles it: the caller."""
        yield

    def stop(self) -> None:
        """End after open answers had a moment; asked twice, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
