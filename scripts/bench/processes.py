"""Processes under test: where they run, when they are up, how much of a core they used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
_CONFIG = """
[server]
port = {port}
[fast]
url = "{engine}"
[classifier]
model = "embedding"
[outcomes]
path = "{folder}/outcomes.db"
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(command: Sequence[str], *, core: int | None = None) -> Generator[subprocess.Popen[str]]:
    """The command as a child, on one core if asked; its output is shown only if it fails."""
    before = os.sched_getaffinity(0)
    with TemporaryFile("w+") as log:
        pin({core} if core is not None else before)
        try:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
            )
        finally:
            pin(before)
        with process:
            try:
                yield process
            except Exception:
                log.seek(0)
                print(log.read()[-4000:])
                raise
            finally:
                process.terminate()


@contextmanager
def headstart(
    engine: str, *, core: int | None = None
) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """`headstart up`, attached to this engine: its address and its process."""
    port = free_port()
    with TemporaryDirectory() as folder:
        config = Path(folder) / "headstart.toml"
        config.write_text(_CONFIG.format(port=port, engine=engine, folder=folder))
        program = str(Path(sys.executable).with_name("headstart"))
        with running([program, "up", "--config", str(config)], core=core) as process:
            yield f"http://127.0.0.1:{port}", process


def pin(cores: Iterable[int]) -> None:
    """Keep this process, and the children it starts from now on, on these cores."""
    os.sched_setaffinity(0, cores)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[str], seconds: float = 120.0) -> None:
    """Return when the address answers 200; raise when the process died or took too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        try:
            with urlopen(url, timeout=5) as reply:
                if reply.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} was not up after {seconds:g} s")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
