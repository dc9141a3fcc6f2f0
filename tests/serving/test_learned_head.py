"""The head that `[classifier] head` names: used when it fits, refused with a sentence when not."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from classifier.correction import Correction, arrays_of
from classifier.head import load_shipped
from classifier.retrain import keep
from models.errors import ConfigError
from serving.learning import head_file, load_head
from serving.settings import ClassifierSettings

SHIPPED = files("classifier").joinpath("data/head.npz").read_bytes()


def changed(**meta: str | None) -> bytes:
    """The shipped head with other words in its file, and a correction."""
    with np.load(io.BytesIO(SHIPPED), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    told = json.loads(str(arrays["meta"])) | meta
    arrays |= {"meta": np.asarray(json.dumps(told)), **arrays_of(Correction(shift=2.0))}
    new = io.BytesIO()
    np.savez_compressed(new, allow_pickle=False, **arrays)
    return new.getvalue()


def test_without_a_setting_it_is_the_shipped_one() -> None:
    assert head_file(ClassifierSettings()) == SHIPPED
    assert load_head(ClassifierSettings()).version == load_shipped().version


def test_a_learned_head_is_found_and_read(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    keep(path, changed(version="own"), datetime(2026, 11, 24, tzinfo=UTC))
    head, shipped = load_head(ClassifierSettings(head=path)), load_shipped()
    assert head.version == "own"
    embedding = np.full(384, 384**-0.5, np.float32)
    before, after = (one.read(embedding, shipped.mean, embedding) for one in (shipped, head))
    assert after.p_fast > before.p_fast
    assert after.tasks == before.tasks


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "cannot be read"),
        (b"", "is no head"),
        (b"not a head", "is no head"),
        (SHIPPED[:1000], "is no head"),
        (changed(inputs="0badcafe"), "was trained for other features"),
        (changed(inputs=None), "was trained for other features"),  # older than the field
    ],
)
def test_a_file_that_is_no_head_stops_the_start(
    tmp_path: Path, data: bytes | None, sentence: str
) -> None:
    path = tmp_path / "head.npz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"\[classifier\] head: .*head\.npz.*{sentence}"):
        load_head(ClassifierSettings(head=path))
