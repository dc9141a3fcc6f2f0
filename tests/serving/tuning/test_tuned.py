"""The file between `headstart tune --apply` and a running server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from classifier.tuning.thresholds import Thresholds
from models.errors import ConfigError
from serving.settings_file import load_settings
from serving.tuning.tuned import Tuned, TunedWatch, read_tuned, write_tuned

TUNED = Tuned(
    classifier="embedding-v1",
    threshold=0.615,
    written=datetime(2026, 11, 24, 12, tzinfo=UTC),
    samples=4793,
    because='Quality drops by at most 1 point, "proven".',
    thresholds={"code": 0.7},
)


class Adopted:
    """Stands for the router."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, dict[str, float], str]] = []

    def __call__(
        self, threshold: float, thresholds: Mapping[str, float], *, tuned: str = ""
    ) -> None:
        self.taken.append((threshold, dict(thresholds), tuned))


def watch(path: Path) -> tuple[TunedWatch, Adopted]:
    adopted = Adopted()
    return TunedWatch(path, Thresholds(general=0.55), "embedding-v1", adopted), adopted


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "headstart.tuned.toml"
    write_tuned(path, TUNED)
    assert read_tuned(path) == TUNED
    assert "Delete this file" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("threshold = 0.615", "threshold = 1.5", r"Expected `float` <= 1\.0 - at `\$\.threshold`"),
        ("code = 0.7", "code = true", "Expected `float`"),
        ("version = 1", "version = 2", "of version 2, this Headstart reads version 1"),
        ("version = 1\n", "", "of version None"),
        ("samples = 4793", "samples = 4793\nsampels = 1", "sampels"),
        ("threshold = 0.615", "threshold =", "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "t.toml"
    write_tuned(path, TUNED)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=said):
        read_tuned(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_tuned(tmp_path / "missing" / "t.toml", TUNED)


def test_a_change_is_taken_over_once_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.toml"
    watching, adopted = watch(path)
    watching.look()
    assert adopted.taken == []
    write_tuned(path, TUNED)
    watching.look()
    watching.look()

    assert adopted.taken == [(0.615, {"code": 0.7}, "2026-11-24")]
    assert watching.said == (
        f"0.615, code 0.7, from {path} of 2026-11-24 (delete it to go back to 0.55)"
    )
    assert "thresholds: 0.55 -> 0.615, code 0.7" in caplog.text
    assert "from 4,793 samples" in caplog.text


def test_without_the_file_the_configured_thresholds_are_back(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    write_tuned(path, TUNED)
    watching, adopted = watch(path)
    watching.look()
    path.unlink()
    watching.look()
    assert adopted.taken[-1] == (0.55, {}, "")
    assert watching.said == "0.55"


def test_a_broken_file_changes_nothing_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.toml"
    write_tuned(path, TUNED)
    watching, adopted = watch(path)
    watching.look()
    path.write_text("threshold = [")
    watching.look()
    watching.look()

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "The thresholds stay: 0.615, code 0.7" in errors[0].getMessage()
    assert len(adopted.taken) == 1


def test_thresholds_of_another_classifier_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.toml"
    write_tuned(path, msgspec.structs.replace(TUNED, classifier="embedding-v2"))
    watching, adopted = watch(path)
    watching.look()
    assert adopted.taken == []
    assert "scores of embedding-v2, this server's are of embedding-v1" in caplog.text


def test_thresholds_per_task_are_settings_too(tmp_path: Path) -> None:
    path = tmp_path / "headstart.toml"
    path.write_text("[classifier.thresholds]\ncode = 0.7\n")
    assert load_settings(path).classifier.thresholds == {"code": 0.7}
    path.write_text("[classifier.thresholds]\ncode = 7\n")
    with pytest.raises(ConfigError, match=r"line 2 of headstart\.toml"):
        load_settings(path)
