"""A file that a running server takes over when it changes, and lets go of when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

_PERIOD: Final = 1.0  # seconds between two looks


class FileWatch:
    """Tells when the file came or changed, and when it went."""

    def __init__(self, path: Path, came: Callable[[], None], went: Callable[[], None]) -> None:
        """Neither may raise."""
        self.path = path
        self._came = came
        self._went = went
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> None:
        """Take in a change, if there is one since the last look."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._came() if stamp is not None else self._went()

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None, None]:
        """Look every second, until the end of the context."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PERIOD)
            self.look()

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes when the file does."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
