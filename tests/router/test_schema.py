"""A store of an older version is brought up to date in place; anything else is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from models.errors import ConfigError
from router.learning.samples import read_samples
from router.outcomes import SqliteOutcomes
from router.schema import open_to_read
from router.stored import stored
from tests.router.ledger_world import outcome

_OLD = Path(__file__).parent / "data" / "outcomes-schema-1.sql"  # written by the first version


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as the first version left it: a relayed outcome and a fast one."""
    path = tmp_path / "headstart.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_OLD.read_text())
    return path


def test_an_old_file_keeps_its_outcomes_and_takes_new_ones(old: Path) -> None:
    store = SqliteOutcomes(old)
    new = outcome(id="hs-new", form=b"\x01", asked_task="code")
    store.record(new)
    store.close()
    newest, fast, relayed = store.recent()
    assert newest == stored(new)
    assert [row.id for row in (fast, relayed)] == ["hs-fast", "hs-relayed"]
    assert (relayed.prompt, relayed.embedding) == ("Why?", b"\x00\x01\x02\x03")
    assert [leg.role for leg in relayed.legs] == ["draft", "upgrade", "failover"]
    assert (relayed.form, relayed.features, relayed.draft_tokens) == (b"", "", 0)
    assert (relayed.draft_mean, relayed.experiment) == (None, "")


def test_an_old_file_becomes_the_same_as_a_new_one(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    for path in (old, new):
        SqliteOutcomes(path).close()
    assert _tables(old) == _tables(new)


def test_a_file_is_brought_up_to_date_once(old: Path) -> None:
    SqliteOutcomes(old).close()
    store = SqliteOutcomes(old)
    store.close()
    assert len(store.recent()) == 2


def test_a_step_that_fails_leaves_the_old_file_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TABLE comparisons (whatever TEXT)")  # in the way of the step
    before = _tables(old)
    with pytest.raises(ConfigError, match="cannot be used"):
        SqliteOutcomes(old)
    assert _tables(old) == before


def test_reading_changes_nothing_and_refuses_an_old_file(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(ConfigError, match=r"schema 1, this Headstart reads schema 3. Start"):
        open_to_read(old)
    assert old.read_bytes() == before


def test_what_is_no_store_is_refused_with_a_sentence(tmp_path: Path) -> None:
    missing, other, noise = (tmp_path / name for name in ("missing.db", "other.db", "noise.db"))
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE something (x TEXT)")
    noise.write_bytes(b"not a database" * 100)
    for path, sentence in (
        (missing, "there is no outcome store"),
        (other, "database of something else"),
        (noise, "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            read_samples(path, 0.0)
    assert not missing.exists()


def _tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
