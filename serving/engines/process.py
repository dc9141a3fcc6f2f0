"""One engine process: started on a leash, its output in a file, ended with all its children."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from serving.engines.leash import leashed

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONG_LINE = 400  # bytes; what a tail reads for each line that it wants


class EngineProcess:
    """A command in a process group of its own that cannot outlive us.

    Its output goes straight into the log file, not through our event loop: a busy loop never
    holds the engine back, and the last lines survive us.
    """

    def __init__(self, process: Process, *, grace: float) -> None:
        """Take over a leash that `start` made."""
        self._process = process
        self._grace = grace

    @classmethod
    async def start(
        cls, command: Sequence[str], env: Mapping[str, str], *, log: Path, grace: float
    ) -> EngineProcess:
        """Start the command; the log of the run before is kept beside as `.1`."""
        with _fresh(log) as output:
            process = await asyncio.create_subprocess_exec(
                *leashed(command, grace=grace),
                stdin=PIPE,
                stdout=output,
                stderr=STDOUT,
                env=env,
                start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
            )
        return cls(process, grace=grace)

    @property
    def pid(self) -> int:
        """The leash, and with it the process group."""
        return self._process.pid

    async def wait(self) -> int:
        """Exit status; 128 + n when signal n ended it."""
        status = await self._process.wait()
        return status if status >= 0 else 128 - status

    async def end(self) -> None:
        """SIGTERM, the grace period, SIGKILL; returns when the whole group is gone."""
        if self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                # The leash kills after the grace period; past that, the leash itself hangs.
                await asyncio.wait_for(self._process.wait(), self._grace + 5)
        if self._process.returncode is None or self._process.returncode < 0:
            # The leash hangs or was killed itself: what it held is still in its process group.
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()


def _fresh(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("wb")


def tail(log: Path, lines: int = 40) -> tuple[str, ...]:
    """The last lines of a log as a person wants to read them: no colours, no blank lines."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - lines * _LONG_LINE))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    plain = _ESCAPES.sub("", text).replace("\r", "\n")  # progress bars overwrite their line
    return tuple(line.rstrip() for line in plain.split("\n") if line.strip())[-lines:]
