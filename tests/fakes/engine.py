"""A stand-in for a vLLM process: a real HTTP server that can be slow, crash, hang or refuse to end.

Run as a program by tests of the supervisor. What it should do wrong is said on its command line
or, while it runs, by a POST: `/crash`, `/hang` (answers no health check any more).
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

from serving.engines.engine import Address
from serving.engines.vllm import Launch


def fake_launch(folder: Path, *options: str) -> Launch:
    """The command for a fake engine on a unix socket; it notes its starts in `folder`/starts."""
    address = Address(base_url="http://localhost", uds=str(folder / "engine.sock"))
    command = (sys.executable, __file__, "--folder", str(folder), *options)
    root = str(Path(__file__).parents[2])
    return Launch(command=command, env={"PYTHONPATH": root}, address=address)


def starts(folder: Path) -> list[list[int]]:
    """Process ids of each start so far: the engine's own, then its helper's if it has one."""
    noted = folder / "starts"
    if not noted.exists():
        return []
    return [[int(pid) for pid in line.split()] for line in noted.read_text().splitlines()]


def has_ended(pid: int, within: float = 20.0) -> bool:
    """Wait for the end of any process: its pidfd becomes readable then, also as a zombie."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], within)[0])
    finally:
        os.close(watched)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hanging = threading.Event()

    def do_GET(self) -> None:
        if self.hanging.is_set():
            return self._answer(503, {})
        if self.path == "/v1/models":
            return self._answer(200, {"object": "list", "data": [{"id": "fake"}]})
        return self._answer(200 if self.path == "/health" else 404, {})

    def do_POST(self) -> None:
        if self.path == "/crash":
            print("RuntimeError: asked to crash", flush=True)
            os._exit(9)
        if self.path == "/hang":
            self.hanging.set()
        self._answer(200, {})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @override
    def address_string(self) -> str:
        return "test"

    @override
    def log_message(self, format: str, *args: object) -> None:
        return


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _TcpServer(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--port", type=int, help="listen on loopback instead of a unix socket")
    options.add_argument("--gate", type=Path, help="listen only once this file exists")
    options.add_argument("--refuse", help="end at once with this message")
    options.add_argument("--refuse-while", type=Path, help="... only while this file exists")
    options.add_argument("--ignore-term", action="store_true")
    options.add_argument("--helper", action="store_true", help="start a child, as vLLM does")
    given = options.parse_args()
    if given.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pids = [os.getpid()]
    if given.helper:
        idle = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
        pids.append(subprocess.Popen([sys.executable, "-S", "-c", idle]).pid)
    with (given.folder / "starts").open("a") as noted:
        print(*pids, file=noted)
    if given.refuse and (given.refuse_while is None or given.refuse_while.exists()):
        sys.exit(given.refuse)
    while given.gate is not None and not given.gate.exists():
        time.sleep(0.01)
    server: socketserver.BaseServer
    if given.port is not None:
        server = _TcpServer(("127.0.0.1", given.port), _Handler)
    else:
        server = _UnixServer(str(given.folder / "engine.sock"), _Handler)
    server.serve_forever()


if __name__ == "__main__":
    main()
