"""Outcomes reach the disk behind the request, whole, without secrets, and never hold it up."""

import logging
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from models.errors import ConfigError, HeadstartError, ProviderAuthError, StoreUnavailable
from models.stream import Usage
from router.learning.records import Comparison, Feedback, Known
from router.outcomes import OutcomeStore, SqliteOutcomes
from router.stored import StoredLeg, StoredOutcome, stored
from tests.router.ledger_world import DEEP, leg, outcome


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store keeps its file."""
    return tmp_path / "headstart.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteOutcomes]:
    """An open store."""
    opened = SqliteOutcomes(path)
    yield opened
    opened.close()


def test_an_outcome_comes_back_as_it_was(path: Path) -> None:
    store: OutcomeStore = SqliteOutcomes(path)
    relayed = outcome(prompt="Why?", embedding=b"\x00\x01\xff", saved_usd=None)
    store.record(relayed)
    store.close()
    assert (store.stored, store.dropped) == (1, 0)
    (read,) = store.recent()
    assert read == stored(relayed)
    assert [row.role for row in read.legs] == ["draft", "upgrade", "failover"]
    assert read.legs[1].error_status == 429
    assert read.signals == {"chars": 33.0, "code": 0.25}


def test_an_outcome_without_a_plan_is_kept_too(path: Path, store: SqliteOutcomes) -> None:
    failed = outcome(plan=None, legs=[], error=HeadstartError("no"), finish="error", duration=None)
    store.record(failed)
    store.close()
    assert store.recent() == [stored(failed)]


def test_recent_gives_the_newest_first(store: SqliteOutcomes) -> None:
    for at in (2.0, 3.0, 1.0):
        store.record(outcome(id=f"hs-{at}", created=at))
    store.close()
    assert [row.id for row in store.recent(2)] == ["hs-3.0", "hs-2.0"]


def test_a_file_takes_two_writers_at_once(path: Path) -> None:
    first, second = SqliteOutcomes(path), SqliteOutcomes(path)
    for at in range(300):
        first.record(outcome(id=f"a-{at}"))
        second.record(outcome(id=f"b-{at}"))
    first.close()
    second.close()
    assert (first.stored, second.stored) == (300, 300)
    assert len(first.recent(1000)) == 600


def test_a_file_that_exists_is_continued(path: Path) -> None:
    for name in ("hs-old", "hs-new"):
        store = SqliteOutcomes(path)
        store.record(outcome(id=name))
        store.close()
    assert {row.id for row in store.recent()} == {"hs-old", "hs-new"}


def test_money_is_exact_as_text_and_still_adds_up_in_sql(path: Path, store: SqliteOutcomes) -> None:
    store.record(outcome(id="a", legs=[leg(cost_usd=DEEP.card.prices[0].rates.cache_read)]))
    store.record(outcome(id="b", legs=[leg(cost_usd=DEEP.card.prices[0].rates.input)]))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        (total,) = connection.execute("SELECT SUM(cost_usd) FROM outcomes").fetchone()
        texts = {cost for (cost,) in connection.execute("SELECT cost_usd FROM legs")}
    assert total == pytest.approx(2.1)
    assert texts == {"0.1", "2"}


def test_the_tables_have_the_columns_of_the_rows(path: Path, store: SqliteOutcomes) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for table, row in (
            ("outcomes", StoredOutcome),
            ("legs", StoredLeg),
            ("feedback", Feedback),
            ("comparisons", Comparison),
        ):
            columns = [c[1] for c in connection.execute(f"PRAGMA table_info({table})")]
            assert columns == [f.name for f in fields(row) if f.name != "legs"]


def test_only_its_owner_can_read_the_file(path: Path, store: SqliteOutcomes) -> None:
    store.record(outcome())
    store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_prompts_stay_out_unless_they_were_set(path: Path, store: SqliteOutcomes) -> None:
    store.record(outcome())
    store.close()
    (read,) = store.recent()
    assert (read.prompt, read.embedding) == ("", b"")


SECRETS = st.text("abcdefghijkmnpqrstuvwxyz23456789", min_size=24, max_size=24)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(SECRETS)
def test_no_secret_of_an_error_reaches_the_disk(tmp_path: Path, secret: str) -> None:
    said = f'401 {{"error": "bad key sk-{secret}"}} for x-api-key: {secret} at /v1?key={secret}'
    error = ProviderAuthError(said, provider="anthropic", upstream_status=401)
    store = SqliteOutcomes(tmp_path / f"{secret}.db")
    store.record(
        outcome(
            error=error,
            legs=[leg(error=error)],
            requested_model=f"sk-{secret}",
            prompt=f"my password: {secret}",
        )
    )
    store.close()
    assert store.stored == 1
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret.encode() not in written


def test_a_disk_that_is_busy_never_holds_up_a_request(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteOutcomes(path, capacity=3)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the writer has to wait for this lock
        began = perf_counter()
        for at in range(1000):
            store.record(outcome(id=f"hs-{at}"))
        took = perf_counter() - began
        dropped = store.dropped
        other.execute("ROLLBACK")
    store.close()
    assert took < 2.0  # less than one wait for the lock
    assert dropped > 0
    assert store.dropped == dropped
    assert store.stored + store.dropped == 1000
    assert "dropped, the queue is full" in caplog.text
    assert len(caplog.records) <= 10  # once each time the count doubles


def test_a_write_that_fails_is_counted_and_the_next_one_works(
    path: Path, store: SqliteOutcomes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE legs RENAME TO hidden")
        broken = _record_and_wait(store, "hs-broken")
        other.execute("ALTER TABLE hidden RENAME TO legs")
    store.record(outcome(id="hs-good"))
    store.close()
    assert broken == (0, 1)
    assert (store.stored, store.dropped) == (1, 1)
    assert [row.id for row in store.recent()] == ["hs-good"]
    assert "1 could not be written" in caplog.text


def _record_and_wait(store: SqliteOutcomes, name: str) -> tuple[int, int]:
    """Record one outcome whose write fails, and wait for the writer's word about it."""
    logged = threading.Event()

    class Listener(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            logged.set()

    logger, listener = logging.getLogger("router.outcomes"), Listener()
    logger.addHandler(listener)
    try:
        store.record(outcome(id=name))
        assert logged.wait(10)
    finally:
        logger.removeHandler(listener)
    return store.stored, store.dropped


def test_after_close_outcomes_are_counted_as_dropped(store: SqliteOutcomes) -> None:
    store.close()
    store.close()
    store.record(outcome())
    assert (store.stored, store.dropped) == (0, 1)


def test_close_writes_everything_that_waits(path: Path) -> None:
    store = SqliteOutcomes(path)
    for at in range(2000):
        store.record(outcome(id=f"hs-{at}", legs=[leg(usage=Usage(input=at))]))
    store.close()
    assert (store.stored, store.dropped) == (2000, 0)
    assert len(store.recent(5000)) == 2000


FEEDBACK = Feedback(outcome_id="hs-1", created=1.0, kind="thumbs", value=1.0, leg="")


def test_a_note_is_on_the_disk_when_its_future_ends(path: Path, store: SqliteOutcomes) -> None:
    store.record(outcome())
    store.note(FEEDBACK).result(10)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT * FROM feedback JOIN outcomes ON id = outcome_id"
        ).fetchall()
    assert [row[:6] for row in rows] == [("hs-1", 1.0, "thumbs", 1.0, "", "")]
    assert store.stored == 1


def test_an_outcome_can_be_found_before_and_after_it_is_written(
    path: Path, store: SqliteOutcomes
) -> None:
    whose = Known(client="laptop", tiers=("fast", "deep", "deep"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the writer has to wait for this lock
        store.record(outcome())
        assert store.find("hs-1") == whose
        assert store.recent() == []
        other.execute("ROLLBACK")
    store.close()
    assert len(store.recent()) == 1
    assert store.find("hs-1") == whose
    assert store.find("hs-2") is None


def test_a_note_that_cannot_be_written_says_so(path: Path, store: SqliteOutcomes) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE feedback RENAME TO hidden")
        with pytest.raises(StoreUnavailable, match="could not be written"):
            store.note(FEEDBACK).result(10)
        other.execute("ALTER TABLE hidden RENAME TO feedback")
    store.note(FEEDBACK).result(10)
    store.close()
    with pytest.raises(StoreUnavailable, match="has no room now"):
        store.note(FEEDBACK).result(10)
    assert store.dropped == 0  # that counts outcomes


def test_what_comparisons_cost_is_summed_from_a_time_on(store: SqliteOutcomes) -> None:
    for at, usd in (
        (1.0, Decimal("0.1")),
        (2.0, Decimal("0.2")),
        (3.0, Decimal("0.1")),
        (4.0, None),
    ):
        store.note(
            Comparison(
                outcome_id="hs-1",
                created=at,
                fast_quality=None,
                deep_quality=None,
                model="m",
                judge="m",
                deep_usd=None,
                cost_usd=usd,
                input_tokens=0,
                output_tokens=0,
            )
        )
    store.close()
    assert store.compared_usd(2.0) == Decimal("0.3")
    assert store.compared_usd(5.0) == 0


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    SqliteOutcomes(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '7' WHERE name = 'version'")
    with pytest.raises(ConfigError, match="schema 7, this Headstart writes schema 3"):
        SqliteOutcomes(path)


def test_a_file_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match=r"headstart\.db cannot be used"):
        SqliteOutcomes(path)
    assert path.read_bytes() == b"not a database" * 100


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE meta (whatever TEXT)")
    with pytest.raises(ConfigError, match="database of something else"):
        SqliteOutcomes(path)


def test_a_folder_that_is_missing_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        SqliteOutcomes(tmp_path / "nowhere" / "headstart.db")
