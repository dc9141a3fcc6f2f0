"""A model hub on loopback: one repository, served as huggingface_hub asks for it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repository: str, files: Mapping[str, bytes], *, gated: bool = False) -> Generator[str]:
    """Serve these files as `repository`; any other is not found. Yields the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if repository not in path:
                return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            if gated:
                return self.answer(403, b"", {"X-Error-Code": "GatedRepo"})
            if path.startswith(f"/api/models/{repository}/tree/"):
                return self.answer_json([entry(name, data) for name, data in files.items()])
            if path.startswith(f"/api/models/{repository}"):
                siblings = [{"rfilename": name} for name in files]
                return self.answer_json({"id": repository, "sha": COMMIT, "siblings": siblings})
            name = path.removeprefix(f"/{repository}/resolve/{COMMIT}/")
            if name not in files:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            tags = {"ETag": f'"{digest(files[name])}"', "X-Repo-Commit": COMMIT}
            return self.answer(200, files[name], tags)

        def answer_json(self, body: Any) -> None:
            self.answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def entry(name: str, data: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(data), "oid": digest(data)}
