"""Weights: the demo file, a folder, the hub; found, made once, or refused with a way out."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
from pathlib import Path

import msgspec
import pytest

from models.errors import ConfigError, EngineError
from serving.engines import fetch
from serving.engines.weights import (
    DEMO_NAME,
    MANIFEST,
    Manifest,
    demo_file,
    fingerprint,
    is_complete,
    obtain,
    served_name,
)
from tests.fakes.hub import hub

pytestmark = pytest.mark.anyio

FILES = {
    "config.json": b"{}",
    "model.safetensors": bytes(300_000),
    "README.md": b"not wanted",
    "pytorch_model.bin": b"not wanted either",
    "consolidated.safetensors": b"the same again",
}


Told = list[tuple[str, float | None]]


async def get(model: str, cache: Path, endpoint: str | None = None) -> tuple[Path, Told]:
    """Obtain a model from a hub at `endpoint`; without one, from a port where nobody listens."""
    told: Told = []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        env = {
            "HF_HOME": str(cache / "hub"),
            "HF_ENDPOINT": endpoint or f"http://127.0.0.1:{unused.getsockname()[1]}",
            "XDG_CACHE_HOME": str(cache),
        }
        folder = await obtain(model, env, lambda text, fraction: told.append((text, fraction)))
    return folder, told


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("demo", DEMO_NAME),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
        ("/models/my-model/", "my-model"),
    ],
)
def test_the_name_a_model_is_served_under(model: str, name: str) -> None:
    assert served_name(model) == name


async def test_a_folder_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert await get(str(tmp_path), tmp_path) == (tmp_path, [])


async def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a model folder"):
        await get(str(tmp_path), tmp_path)


async def test_a_hub_model_is_downloaded_once(tmp_path: Path) -> None:
    with hub("someone/small", FILES) as endpoint:
        folder, told = await get("someone/small", tmp_path, endpoint)
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert (folder / "model.safetensors").stat().st_size == 300_000
    assert ("downloading someone/small", 1.0) in told
    # The hub is gone now: what is complete in the cache is used.
    assert (await get("someone/small", tmp_path))[0] == folder


async def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as failure:
        await get("Qwen/Qwen2.5-7B-Instruct", tmp_path)
    sentence = failure.value.message
    assert "http://127.0.0.1:" in sentence
    assert "cannot be reached" in sentence
    assert all(way in sentence for way in ("a folder", "HF_ENDPOINT", '"demo"'))


@pytest.mark.parametrize(
    ("repository", "gated", "said"),
    [
        ("someone/else", False, "the hub has no such model"),
        ("someone/small", True, "HF_TOKEN"),
    ],
    ids=["unknown", "gated"],
)
async def test_a_model_that_the_hub_does_not_give(
    tmp_path: Path, repository: str, gated: bool, said: str
) -> None:
    with (
        hub("someone/small", FILES, gated=gated) as endpoint,
        pytest.raises(EngineError, match=said),
    ):
        await get(repository, tmp_path, endpoint)


@pytest.mark.engine
def test_the_demo_file_is_found_without_importing_its_package() -> None:
    assert demo_file().stat().st_size > 90_000_000


def make_folder(folder: Path, source: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"12345")
    manifest = Manifest(source=fingerprint(source), sizes={"model.safetensors": 5})
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def test_what_makes_a_folder_complete(tmp_path: Path) -> None:
    source = tmp_path / "a.gguf"
    source.write_bytes(b"weights")
    folder = tmp_path / "made"
    assert not is_complete(folder, source)
    make_folder(folder, source)
    assert is_complete(folder, source)
    (folder / "model.safetensors").write_bytes(b"123")
    assert not is_complete(folder, source)
    (folder / "model.safetensors").unlink()
    assert not is_complete(folder, source)


def test_another_release_of_the_file_makes_the_folder_stale(tmp_path: Path) -> None:
    source = tmp_path / "a.gguf"
    source.write_bytes(b"weights")
    make_folder(tmp_path / "made", source)
    source.write_bytes(b"new weights")
    assert not is_complete(tmp_path / "made", source)


def fake_convert(file: Path, folder: Path) -> None:
    with (file.parent / "conversions").open("a") as noted:
        noted.write(".")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(file.read_bytes())


def unpack_in_a_process(file: Path, folder: Path) -> None:
    fetch.convert = fake_convert
    fetch.unpack(file, folder)


def test_starts_at_the_same_time_convert_once(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"weights")
    folder = tmp_path / "cache" / "model"
    leftover = tmp_path / "cache" / ".making-killed"
    leftover.mkdir(parents=True)
    spawn = multiprocessing.get_context("spawn")
    starts = [spawn.Process(target=unpack_in_a_process, args=(file, folder)) for _ in range(3)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    assert [start.exitcode for start in starts] == [0, 0, 0]
    assert (tmp_path / "conversions").read_text() == "."
    assert is_complete(folder, file)
    assert not leftover.exists()


def test_a_damaged_folder_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(b"weights")
    folder = tmp_path / "model"
    monkeypatch.setattr(fetch, "convert", fake_convert)
    assert fetch.unpack(file, folder).text == str(folder)
    (folder / "model.safetensors").write_bytes(b"")
    fetch.unpack(file, folder)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert (tmp_path / "conversions").read_text() == ".."


async def test_what_goes_wrong_in_fetching_is_said(tmp_path: Path) -> None:
    (tmp_path / "hub").touch()  # where the hub client wants its folder
    with (
        hub("someone/small", FILES) as endpoint,
        pytest.raises(EngineError) as failure,
    ):
        await get("someone/small", tmp_path, endpoint)
    first, *_, last = failure.value.message.splitlines()
    assert first == "Fetching someone/small failed:"
    assert "NotADirectoryError" in last


async def test_cancelling_ends_the_download(tmp_path: Path) -> None:
    """A hub that takes the connection and never answers: Ctrl-C must still work."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fetching = asyncio.ensure_future(get("someone/small", tmp_path, endpoint))
        silent.settimeout(30)
        connection, _ = await asyncio.to_thread(silent.accept)
        with connection:
            connection.settimeout(30)
            assert b"someone/small" in await asyncio.to_thread(connection.recv, 65536)
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetching
            # The process that held the other end is gone.
            assert await asyncio.to_thread(connection.recv, 65536) == b""


def test_reports_are_one_line_each(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    fetch.report(fetch.Report(kind="progress", text="half", fraction=0.5))
    assert json.loads(capfdbinary.readouterr().out) == {
        "kind": "progress",
        "text": "half",
        "fraction": 0.5,
    }
