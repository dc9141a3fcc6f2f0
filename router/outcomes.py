"""Keeps outcomes behind the request: one queue, one writer thread, one SQLite file.

Recording never waits. When the writer cannot keep up or the disk refuses, outcomes are dropped,
counted and logged: an answer is worth more than its record.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from queue import Full, Queue
from typing import Any, Final, Protocol

import msgspec

from models.errors import ConfigError
from router.outcome import Outcome
from router.stored import StoredLeg, StoredOutcome, stored

_log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
_BATCH = 256  # outcomes in one transaction
_LOCK_WAIT = 5.0  # seconds that a write waits for another process's lock

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outcomes (
    id TEXT PRIMARY KEY, created REAL NOT NULL, dialect TEXT NOT NULL,
    requested_model TEXT NOT NULL, stream INTEGER NOT NULL, client TEXT NOT NULL,
    route TEXT NOT NULL, because TEXT NOT NULL, merge TEXT NOT NULL, task TEXT NOT NULL,
    p_fast REAL, threshold REAL, classifier TEXT NOT NULL, signals TEXT NOT NULL,
    first_shown REAL, duration REAL, finish TEXT NOT NULL, shown_chars INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
    cost_usd TEXT, saved_usd TEXT,
    error_code TEXT NOT NULL, error_origin TEXT NOT NULL, error_message TEXT NOT NULL,
    prompt TEXT NOT NULL, embedding BLOB NOT NULL
);
CREATE INDEX outcomes_by_time ON outcomes (created);
CREATE TABLE legs (
    outcome_id TEXT NOT NULL REFERENCES outcomes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    stands_in_for TEXT NOT NULL, local INTEGER NOT NULL, opened_because TEXT NOT NULL,
    started REAL NOT NULL, first_event REAL, ended REAL, finish TEXT NOT NULL,
    reply_model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, estimated INTEGER NOT NULL,
    cost_usd TEXT,
    error_code TEXT NOT NULL, error_origin TEXT NOT NULL, error_status INTEGER NOT NULL,
    error_message TEXT NOT NULL,
    PRIMARY KEY (outcome_id, position)
) WITHOUT ROWID;
"""
_OUTCOME_COLUMNS = tuple(f.name for f in fields(StoredOutcome) if f.name != "legs")
_LEG_COLUMNS = tuple(f.name for f in fields(StoredLeg))


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


class SqliteOutcomes:
    """An `OutcomeStore` in one file (write-ahead log, so readers never wait for the writer)."""

    def __init__(self, path: Path, *, capacity: int = 10_000) -> None:
        """Open or create the file; at most `capacity` outcomes wait to be written.

        Raises `ConfigError` when the file cannot be used or a newer version wrote it.
        """
        self._path = path
        self._queue: Queue[Outcome | None] = Queue(maxsize=capacity)
        self._overflowed = 0
        self._failed = 0
        self._stored = 0
        self._closed = False
        self._connection = _open(path)
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
            self._queue.put_nowait(outcome)
        except Full:
            self._overflowed += 1
            # Once a request would flood the log when the disk is what is slow.
            if self._overflowed & (self._overflowed - 1) == 0:
                _log.warning("outcomes: %d dropped, the queue is full", self._overflowed)

    def recent(self, limit: int = 100) -> list[StoredOutcome]:
        """The newest written outcomes, read over a connection of their own."""
        with closing(sqlite3.connect(self._path, timeout=_LOCK_WAIT)) as connection:
            connection.row_factory = sqlite3.Row
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
        self._overflowed += self._queue.qsize()  # recorded by another thread while we closed

    def _write_all(self) -> None:
        """The writer thread."""
        for batch in self._batches():
            self._write(batch)

    def _batches(self) -> Iterator[list[Outcome]]:
        """What waits, in pieces, until the end mark. Only this thread takes from the queue."""
        while True:
            batch: list[Outcome] = []
            while not batch or (len(batch) < _BATCH and not self._queue.empty()):
                outcome = self._queue.get()
                if outcome is None:
                    yield batch
                    return
                batch.append(outcome)
            yield batch

    def _write(self, batch: list[Outcome]) -> None:
        try:
            rows = [stored(outcome) for outcome in batch]
            with self._connection:  # one transaction
                self._connection.executemany(_insert("outcomes", _OUTCOME_COLUMNS), map(_row, rows))
                legs = [_values(leg, _LEG_COLUMNS) for row in rows for leg in row.legs]
                self._connection.executemany(_insert("legs", _LEG_COLUMNS), legs)
        except Exception:  # whatever it is, the writer must live for the next batch
            self._failed += len(batch)
            _log.exception("outcomes: %d could not be written to %s", len(batch), self._path)
        else:
            self._stored += len(batch)


def _open(path: Path) -> sqlite3.Connection:
    """A connection to a file of this schema, made if need be. It is the writer thread's alone."""
    try:
        # Prompts may be in it: nobody but its owner reads it. SQLite's side files inherit this.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=_LOCK_WAIT, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"outcomes.path: {path} cannot be opened: {error}.") from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise ConfigError(f"outcomes.path: {path} cannot be used: {error}.") from error
    except ConfigError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables in an empty file; refuse a file that another version's rows are in."""
    connection.execute("BEGIN IMMEDIATE")  # of two processes that start at once, one creates
    with connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not tables:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('version', ?)", (str(SCHEMA_VERSION),))
            return
        if not {"meta", "outcomes", "legs"} <= tables:
            raise ConfigError(f"outcomes.path: {path} is a database of something else.")
        query = "SELECT value FROM meta WHERE name = 'version'"
        (version,) = connection.execute(query).fetchone()
    if version != str(SCHEMA_VERSION):
        raise ConfigError(
            f"outcomes.path: {path} has outcomes of schema {version}, this Headstart writes schema "
            f"{SCHEMA_VERSION}. Use the version that wrote it, or another path."
        )


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


def _row(outcome: StoredOutcome) -> list[Any]:
    return _values(outcome, _OUTCOME_COLUMNS)


def _values(row: StoredOutcome | StoredLeg, columns: tuple[str, ...]) -> list[Any]:
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
    flat = dict(row) | {"signals": json.loads(row["signals"]), "legs": legs}
    return msgspec.convert(flat, StoredOutcome, strict=False)
