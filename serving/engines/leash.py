"""Runs a command on a leash: when its holder is gone, the command and all its children go too.

    python leash.py GRACE COMMAND [ARGUMENT ...]

The leash is standard input: the holder keeps the other end of the pipe open and never writes.
However the holder ends, also by SIGKILL, the kernel closes that end. SIGTERM does the same by hand.
The command then gets SIGTERM, GRACE seconds, and at last SIGKILL, with every process it started:
vLLM's own helpers outlive a killed vLLM. Standard library only, so that starting it costs 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALLED = 128  # a shell reports "killed by signal n" as 128 + n


def leashed(command: Sequence[str], *, grace: float) -> list[str]:
    """The argument list that runs `command` on a leash; give it a pipe as standard input."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(grace), *command]


def run(command: Sequence[str], grace: float) -> int:
    """Run the command to its end, or to the end of whoever holds our standard input."""
    wake, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    asked_to_stop = False

    def on_stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    def on_child(_signal: int, _frame: FrameType | None) -> None:
        """Wake the poll below; a default handler would not."""

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)
    signal.signal(signal.SIGCHLD, on_child)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans of the command become our children, not init's
    child = subprocess.Popen(  # noqa: S603 - the command is the whole point
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread runs here
    )
    try:
        held = select.poll()
        held.register(sys.stdin.fileno(), select.POLLIN)
        held.register(wake, select.POLLIN)
        while child.poll() is None and not asked_to_stop:
            for descriptor, _ in held.poll():
                if descriptor == wake:
                    os.read(wake, 512)
                elif not os.read(descriptor, 512):
                    asked_to_stop = True
        if child.poll() is None:
            _terminate(child, grace)
    finally:
        _kill_descendants()
    return child.returncode if child.returncode >= 0 else _SIGNALLED - child.returncode


def _terminate(child: subprocess.Popen[bytes], grace: float) -> None:
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _kill_descendants() -> None:
    """Kill our children until none is left; those of a killed one become ours meanwhile."""
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            time.sleep(0.01)  # SIGKILL takes the kernel a moment


def _children() -> list[int]:
    """Process ids whose parent we are, zombies excepted."""
    own = str(os.getpid())
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The line starts with the process id and its name in brackets, which may hold any.
            state, parent, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # it ended meanwhile
        if parent == own and state != "Z":
            found.append(int(entry.name))
    return found


def _die_with_parent() -> None:
    """In the child, before it becomes the command: should the leash be killed, die too."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(run(sys.argv[2:], float(sys.argv[1])))
