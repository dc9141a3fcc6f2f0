"""The tables of the outcome store: how a file is made, brought up to date, and refused."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from models.errors import ConfigError

LOCK_WAIT: Final = 5.0  # seconds that an access waits for another process's lock

_FIRST: Final = """
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

# What a retrained head reads, the draft's own confidence, and what is known of the answer's quality.
_LEARNING: Final = """
ALTER TABLE outcomes ADD COLUMN form BLOB NOT NULL DEFAULT x'';
ALTER TABLE outcomes ADD COLUMN instruction BLOB NOT NULL DEFAULT x'';
ALTER TABLE outcomes ADD COLUMN features TEXT NOT NULL DEFAULT '';
ALTER TABLE outcomes ADD COLUMN draft_mean REAL;
ALTER TABLE outcomes ADD COLUMN draft_minimum REAL;
ALTER TABLE outcomes ADD COLUMN draft_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outcomes ADD COLUMN experiment TEXT NOT NULL DEFAULT '';
ALTER TABLE outcomes ADD COLUMN asked_task TEXT NOT NULL DEFAULT '';
CREATE TABLE feedback (
    outcome_id TEXT NOT NULL REFERENCES outcomes (id) ON DELETE CASCADE,
    created REAL NOT NULL, kind TEXT NOT NULL, value REAL NOT NULL,
    leg TEXT NOT NULL, comment TEXT NOT NULL
);
CREATE INDEX feedback_by_outcome ON feedback (outcome_id, created);
CREATE TABLE comparisons (
    outcome_id TEXT NOT NULL REFERENCES outcomes (id) ON DELETE CASCADE,
    created REAL NOT NULL, fast_quality REAL, deep_quality REAL,
    model TEXT NOT NULL, judge TEXT NOT NULL, deep_usd TEXT, cost_usd TEXT,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
);
CREATE INDEX comparisons_by_outcome ON comparisons (outcome_id);
CREATE INDEX comparisons_by_time ON comparisons (created);
"""

# What the two looks told whatever the threshold, so that decisions can be made again as they would
# have been; the task that the classifier saw, and the one that a client says it was.
_LOOKS: Final = """
ALTER TABLE outcomes ADD COLUMN p_prompt REAL;
ALTER TABLE outcomes ADD COLUMN fast_until REAL;
ALTER TABLE outcomes ADD COLUMN draft_signals TEXT NOT NULL DEFAULT '{}';
ALTER TABLE outcomes ADD COLUMN draft_judge TEXT NOT NULL DEFAULT '';
ALTER TABLE outcomes ADD COLUMN judged_task TEXT NOT NULL DEFAULT '';
ALTER TABLE outcomes ADD COLUMN asked_threshold REAL;
ALTER TABLE feedback ADD COLUMN task TEXT NOT NULL DEFAULT '';
"""

# A step for each version: a new file takes all of them, so it cannot differ from one that grew.
_STEPS: Final = (_FIRST, _LEARNING, _LOOKS)
SCHEMA_VERSION: Final = len(_STEPS)


def open_store(path: Path) -> sqlite3.Connection:
    """A connection to a file of this schema, made or brought up to date if need be.

    It may be used from one other thread. Raises `ConfigError` when the file cannot be used or a
    newer version wrote it.
    """
    try:
        # Prompts may be in it: nobody but its owner reads it. SQLite's side files inherit this.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=LOCK_WAIT, check_same_thread=False)
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


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot change the file; a server may be writing to it meanwhile.

    Raises `ConfigError` when there is no file, or none of this schema.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no outcome store. A server with this path makes one.")
    try:
        # An absolute address: SQLite takes no relative one.
        address = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_WAIT)
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be opened: {error}.") from error
    try:
        version = _version(connection, path)
        if version != SCHEMA_VERSION:
            raise ConfigError(
                f"{path} has outcomes of schema {version}, this Headstart reads schema "
                f"{SCHEMA_VERSION}. {_way_out(version)}"
            )
    except sqlite3.Error as error:
        connection.close()
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    except ConfigError:
        connection.close()
        raise
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Take the steps that this file lacks, all or none of them."""
    connection.execute("BEGIN IMMEDIATE")  # of two processes that start at once, one does it
    with connection:
        version = _version(connection, path)
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"outcomes.path: {path} has outcomes of schema {version}, this Headstart writes "
                f"schema {SCHEMA_VERSION}. Use the version that wrote it, or another path."
            )
        for step in _STEPS[version:]:
            for statement in step.split(";\n"):
                connection.execute(statement)
        insert = "INSERT OR REPLACE INTO meta VALUES ('version', ?)"
        connection.execute(insert, (str(SCHEMA_VERSION),))


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema of a file; 0 when it is empty."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables:
        return 0
    if not {"meta", "outcomes", "legs"} <= tables:
        raise ConfigError(f"{path} is a database of something else.")
    query = "SELECT value FROM meta WHERE name = 'version'"
    (version,) = connection.execute(query).fetchone()
    return int(version)


def _way_out(version: int) -> str:
    if version > SCHEMA_VERSION:
        return "Use the version that wrote it."
    return "Start the server once with it: it brings the file up to date."
