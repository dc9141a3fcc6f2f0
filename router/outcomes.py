"""Keeps outcomes behind the request: one queue, one writer thread, one SQLite file.

Recording never waits. When the writer cannot keep up or the disk refuses, outcomes are dropped,
counted and logged: an answer is worth more than its record. What is noted later of an answer
(feedback, comparisons) goes through the same queue, so it is written after its outcome; whoever
notes it can wait for the write.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from queue import Full, Queue
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from models.errors import StoreUnavailable
from router.learning.records import Comparison, Feedback, Known, known, tier
from router.outcome import Outcome
from router.schema import LOCK_WAIT, open_store
from router.stored import StoredLeg, StoredOutcome, stored

Note: TypeAlias = Feedback | Comparison

_log = logging.getLogger(__name__)

_BATCH: Final = 256  # rows in one transaction
_OUTCOME_COLUMNS = tuple(f.name for f in fields(StoredOutcome) if f.name != "legs")
_LEG_COLUMNS = tuple(f.name for f in fields(StoredLeg))
_TABLES: Final[dict[type[Note], str]] = {Feedback: "feedback", Comparison: "comparisons"}


class OutcomeStore(Protocol):
    """Where outcomes go when a request is over."""

    @property
    def stored(self) -> int:
        """How many were written."""
        ...

    @property
    def dropped(self) -> int:
        """How many were lost, because the queue was full or a write failed."""
        ...

    def record(self, outcome: Outcome) -> None:
        """Take a finished outcome. Never blocks, never raises; nothing may change it any more."""
        ...

    def recent(self, limit: int = 100) -> list[StoredOutcome]:
        """The newest outcomes that were written, newest first. Reads the disk."""
        ...

    def close(self) -> None:
        """Write what was taken, then stop."""
        ...


class Notebook(Protocol):
    """Where what is learned of an answer goes, and what must be known of it for that."""

    def note(self, note: Note) -> Future[None]:
        """Take it; the future ends when it is written. Never blocks, never raises.

        The future's error is a `StoreUnavailable`.
        """
        ...

    def find(self, outcome_id: str) -> Known | None:
        """What is known of a recorded request, written or not. Reads the disk."""
        ...

    def compared_usd(self, since: float) -> Decimal:
        """Dollars that comparisons have cost since then (Unix time). Reads the disk."""
        ...


@dataclass(frozen=True, slots=True)
class _Noted:
    """A note on its way to the disk."""

    note: Note
    written: Future[None] = field(default_factory=Future[None])


class SqliteOutcomes:
    """An `OutcomeStore` and a `Notebook` in one file (write-ahead log, so readers never wait for the writer)."""

    def __init__(self, path: Path, *, capacity: int = 10_000) -> None:
        """Open or create the file; at most `capacity` rows wait to be written.

        Raises `ConfigError` when the file cannot be used or a newer version wrote it.
        """
        self._path = path
        self._queue: Queue[Outcome | _Noted | None] = Queue(maxsize=capacity)
        self._waiting: dict[str, Outcome] = {}  # recorded, not yet written
        self._overflowed = 0
        self._failed = 0
        self._stored = 0
        self._closed = False
        self._connection = open_store(path)
        self._writer = threading.Thread(target=self._write_all, name="outcomes", daemon=True)
        self._writer.start()

    @property
    def stored(self) -> int:
        """How many were written."""
        return self._stored

    @property
    def dropped(self) -> int:
        """How many were lost, because the queue was full or a write failed."""
        return self._overflowed + self._failed

    def record(self, outcome: Outcome) -> None:
        """Queue a finished outcome for the writer."""
        try:
            if self._closed:
                raise Full
            self._waiting[outcome.id] = outcome
            self._queue.put_nowait(outcome)
        except Full:
            self._waiting.pop(outcome.id, None)
            self._overflowed += 1
            # Once a request would flood the log when the disk is what is slow.
            if self._overflowed & (self._overflowed - 1) == 0:
                _log.warning("outcomes: %d dropped, the queue is full", self._overflowed)

    def note(self, note: Note) -> Future[None]:
        """Queue what was learned for the writer."""
        noted = _Noted(note)
        try:
            if self._closed:
                raise Full
            self._queue.put_nowait(noted)
        except Full:
            noted.written.set_exception(
                StoreUnavailable("The outcome store has no room now. Say it again in a moment.")
            )
        return noted.written

    def find(self, outcome_id: str) -> Known | None:
        """What waits to be written is as good as written."""
        if outcome := self._waiting.get(outcome_id):
            return known(outcome)
        with closing(self._reader()) as connection:
            query = "SELECT client FROM outcomes WHERE id = ?"
            row = connection.execute(query, (outcome_id,)).fetchone()
            legs = _legs(connection, outcome_id)
        if row is None:
            return None
        return Known(
            client=row["client"],
            tiers=tuple(
                tier(local=leg["local"], stands_in_for=leg["stands_in_for"]) for leg in legs
            ),
        )

    def compared_usd(self, since: float) -> Decimal:
        """The sum of what was written."""
        query = "SELECT cost_usd FROM comparisons WHERE created >= ? AND cost_usd IS NOT NULL"
        with closing(self._reader()) as connection:
            return sum((Decimal(usd) for (usd,) in connection.execute(query, (since,))), Decimal(0))

    def recent(self, limit: int = 100) -> list[StoredOutcome]:
        """The newest written outcomes, read over a connection of their own."""
        with closing(self._reader()) as connection:
            newest = "SELECT * FROM outcomes ORDER BY created DESC, id LIMIT ?"
            rows = connection.execute(newest, (limit,)).fetchall()
            return [_outcome(row, _legs(connection, row["id"])) for row in rows]

    def close(self) -> None:
        """Wait until the writer has written everything, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._connection.close()
        while not self._queue.empty():  # came from another thread while we closed
            item = self._queue.get_nowait()
            if isinstance(item, _Noted):
                item.written.set_exception(StoreUnavailable("The outcome store is closed."))
            else:
                self._overflowed += 1

    def _reader(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=LOCK_WAIT)
        connection.row_factory = sqlite3.Row
        return connection

    def _write_all(self) -> None:
        """The writer thread."""
        for batch in self._batches():
            self._write(batch)

    def _batches(self) -> Iterator[list[Outcome | _Noted]]:
        """What waits, in pieces, until the end mark. Only this thread takes from the queue."""
        while True:
            batch: list[Outcome | _Noted] = []
            while not batch or (len(batch) < _BATCH and not self._queue.empty()):
                item = self._queue.get()
                if item is None:
                    yield batch
                    return
                batch.append(item)
            yield batch

    def _write(self, batch: Sequence[Outcome | _Noted]) -> None:
        outcomes = [item for item in batch if isinstance(item, Outcome)]
        notes = [item for item in batch if isinstance(item, _Noted)]
        failure: StoreUnavailable | None = None
        try:
            rows = [stored(outcome) for outcome in outcomes]
            with self._connection:  # one transaction
                self._connection.executemany(_insert("outcomes", _OUTCOME_COLUMNS), map(_row, rows))
                legs = [_values(leg, _LEG_COLUMNS) for row in rows for leg in row.legs]
                self._connection.executemany(_insert("legs", _LEG_COLUMNS), legs)
                for item in notes:
                    columns = tuple(f.name for f in fields(item.note))
                    insert = _insert(_TABLES[type(item.note)], columns)
                    self._connection.execute(insert, _values(item.note, columns))
        except Exception:  # whatever it is, the writer must live for the next batch
            self._failed += len(outcomes)
            _log.exception("outcomes: %d could not be written to %s", len(batch), self._path)
            failure = StoreUnavailable("It could not be written to the outcome store.")
        else:
            self._stored += len(outcomes)
        for outcome in outcomes:
            self._waiting.pop(outcome.id, None)
        for item in notes:
            item.written.set_exception(failure) if failure else item.written.set_result(None)


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


def _row(outcome: StoredOutcome) -> list[Any]:
    return _values(outcome, _OUTCOME_COLUMNS)


def _values(row: StoredOutcome | StoredLeg | Note, columns: tuple[str, ...]) -> list[Any]:
    return [_sql(getattr(row, column)) for column in columns]


def _sql(value: Any) -> Any:
    """Money as text, which SUM() still adds; signals as JSON."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value) if isinstance(value, dict) else value


def _legs(connection: sqlite3.Connection, outcome_id: str) -> list[dict[str, Any]]:
    query = "SELECT * FROM legs WHERE outcome_id = ? ORDER BY position"
    return [dict(row) for row in connection.execute(query, (outcome_id,))]


def _outcome(row: sqlite3.Row, legs: list[dict[str, Any]]) -> StoredOutcome:
    said = {name: json.loads(row[name]) for name in ("signals", "draft_signals")}
    flat = dict(row) | said | {"legs": legs}
    return msgspec.convert(flat, StoredOutcome, strict=False)
