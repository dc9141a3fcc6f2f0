"""`headstart tasks`: what a user's own tasks would take, out of stored outcomes."""

from pathlib import Path

import pytest

from classifier.embedding import MiniLmEncoder
from router.outcome import Outcome
from router.outcomes import SqliteOutcomes
from serving.__main__ import main

TOML = """\
[classifier.tasks.leases]
examples = [
    "Does our lease let the landlord raise the rent before the end of the first year?",
    "The tenant moved out early. Which clause of the lease covers the deposit?",
    "Draft a notice to terminate the lease of the flat for unpaid rent.",
    "May a tenant sublet a room if the rental agreement says nothing about it?",
]
"""
ASKED = ["Can the landlord keep the deposit if rent is unpaid?", "Write a haiku about autumn."]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["tasks"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_without_tasks_it_says_how_to_add_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "add [classifier.tasks.<name>] with examples" in shown(capsys)


def test_past_requests_that_would_move_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text(TOML)
    store = SqliteOutcomes(Path("headstart.db"))
    for at, text in enumerate(ASKED):
        store.record(
            Outcome(
                id=f"r{at}",
                created=float(at),
                dialect="openai",
                requested_model="auto",
                stream=False,
                prompt=text,
                embedding=MiniLmEncoder().encode([text])[0].tobytes(),
            )
        )
    store.close()
    out = shown(capsys)
    assert "leases: like " in out
    assert "would take 1 of the last 2 requests (50.0%)" in out
    assert f"{ASKED[0]!r}, near " in out
    assert ASKED[1] not in out


def test_without_traffic_nothing_moves(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text(TOML)
    assert "would take 0 of the last 0 requests" in shown(capsys)
