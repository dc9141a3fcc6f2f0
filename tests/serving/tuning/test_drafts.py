"""The file between `headstart tune --retrain` and a running server."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from classifier.draft import DraftJudge, Usual, load_shipped
from classifier.redraft import dumped
from models.errors import ConfigError
from serving.tuning.drafts import DraftWatch, read_judge

SHIPPED = load_shipped()
LEARNED = replace(
    SHIPPED,
    version=f"{SHIPPED.version}+20261124.1230",
    learned_on="mine",
    usual={"chat": {"mean": Usual(mean=-0.5, spread=0.2)}},
)


def test_the_shipped_judge_holds_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_judge(tmp_path / "none.json") is SHIPPED


def test_a_change_is_taken_over_and_the_shipped_one_is_the_way_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, taken = tmp_path / "d.json", list[DraftJudge]()
    watch = DraftWatch(path, "mine", taken.append)
    watch.look()
    path.write_bytes(dumped(LEARNED))
    watch.look()
    watch.look()
    path.unlink()
    watch.look()
    assert taken == [LEARNED, SHIPPED]
    assert f"{SHIPPED.version} -> {LEARNED.version}, learned on mine" in caplog.text


def test_what_is_usual_for_another_engine_is_not_taken_over(tmp_path: Path) -> None:
    path, taken = tmp_path / "d.json", list[DraftJudge]()
    path.write_bytes(dumped(LEARNED))
    DraftWatch(path, "another", taken.append).look()
    assert taken == [replace(LEARNED, usual={})]


def test_a_broken_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, taken = tmp_path / "d.json", list[DraftJudge]()
    path.write_text("{")
    DraftWatch(path, "mine", taken.append).look()
    assert taken == []
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "is no judge of drafts" in record.getMessage()
    assert (
        "Delete it to go back to the shipped one. The judge of drafts stays" in record.getMessage()
    )
    with pytest.raises(
        ConfigError, match=r"\[classifier\] drafts: .*d\.json is no judge of drafts"
    ):
        read_judge(path)
