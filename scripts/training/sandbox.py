"""Runs a program that a model wrote: in a process of its own, with little time, memory and no files.

It keeps an honest model's mistakes in bounds; it is no wall against a hostile one.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile

SECONDS = 5
MEMORY = 512 * 1024 * 1024


def passes(program: str) -> bool:
    """Whether it ends without an error."""
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", program],
                cwd=empty,
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS * 4,  # a busy machine gives it a part of a core
                check=False,
                preexec_fn=_bounds,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def _bounds() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
