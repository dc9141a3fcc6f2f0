"""Running what was planned: places to listen, shares, attached engines, clean endings."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.errors import ConfigError, EngineError
from serving.engines.engine import Progress
from serving.engines.fleet import place, running
from serving.engines.folders import cache_folder, state_folder
from serving.engines.gpu import GIB, Gpu
from serving.engines.plan import EngineSpec, Machine, inspect_machine
from serving.engines.process import EngineProcess
from serving.engines.vllm import Launch
from tests.fakes.engine import fake_launch, has_ended, starts

pytestmark = pytest.mark.anyio

LAPTOP = Machine(build="cpu", cores=2, memory=8 * GIB)
GPU_BOX = Machine(
    build="cuda",
    gpus=(Gpu(index=0, name="card", total=48 * GIB, free=48 * GIB),),
    cores=16,
    memory=64 * GIB,
)
# 2 x 32 layers x 8 heads x 128 x 2 bytes = 128 KiB of KV cache a token
MIDDLING = {
    "model_type": "mistral",
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "max_position_embeddings": 131_072,
}


def model(folder: Path, gib: float = 0.001) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(MIDDLING))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(gib * GIB))  # a hole, not bytes on the disk
    return folder


def spec(role: str = "fast", window: int | None = None) -> EngineSpec:
    name = f"/models/{role}"
    if role == "fast":
        return EngineSpec(role="fast", model=name, window=window)
    return EngineSpec(role="classifier", model=name, window=window)


def option(launch: Launch, name: str) -> str:
    return launch.command[launch.command.index(name) + 1]


def test_two_engines_share_a_card(tmp_path: Path) -> None:
    folders = [model(tmp_path / "fast", 14), model(tmp_path / "judge", 6)]
    made = place([spec(), spec("classifier")], folders, GPU_BOX, {}, sockets=tmp_path)
    fast, judge = made["fast"], made["classifier"]
    total = sum(float(option(one, "--gpu-memory-utilization")) for one in (fast, judge))
    assert total < 0.97
    assert option(fast, "--max-model-len") == "32768"
    assert option(judge, "--max-model-len") == "8192"
    assert option(fast, "--served-model-name") == "fast"
    assert fast.address.uds == str(tmp_path / "fast.sock")
    assert judge.address.uds == str(tmp_path / "classifier.sock")


def test_a_window_shrinks_to_what_the_card_has_left(tmp_path: Path) -> None:
    # 43 GiB of 48 are for weights, work and head room: some 2 GiB remain for KV cache.
    made = place([spec()], [model(tmp_path / "m", 39)], GPU_BOX, {}, sockets=None)
    assert 16384 < int(option(made["fast"], "--max-model-len")) < 24576


def test_a_window_that_was_asked_for_is_kept_or_refused(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", 39)
    made = place([spec(window=16384)], [folder], GPU_BOX, {}, sockets=None)
    assert option(made["fast"], "--max-model-len") == "16384"
    with pytest.raises(ConfigError, match="needs"):
        place([spec(window=131_072)], [folder], GPU_BOX, {}, sockets=None)


def test_weights_that_turn_out_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="/models/fast needs"):
        place([spec()], [model(tmp_path / "m", 60)], GPU_BOX, {}, sockets=None)


def test_engines_on_a_cpu_share_cores_and_memory(tmp_path: Path) -> None:
    machine = Machine(build="cpu", cores=8, memory=8 * GIB)
    folders = [model(tmp_path / "fast"), model(tmp_path / "judge")]
    alone = place([spec()], folders[:1], machine, {}, sockets=None)
    both = place([spec(), spec("classifier")], folders, machine, {}, sockets=None)
    assert alone["fast"].env["OMP_NUM_THREADS"] == "4"
    assert {one.env["OMP_NUM_THREADS"] for one in both.values()} == {"2"}
    assert option(alone["fast"], "--kv-cache-memory-bytes") == str(2 * GIB)
    assert option(both["fast"], "--kv-cache-memory-bytes") == str(GIB)
    assert option(both["fast"], "--max-model-len") == "8192"


def test_a_socket_path_that_the_kernel_would_refuse_becomes_a_port(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    (launch,) = place([spec()], [model(tmp_path / "m")], LAPTOP, {}, sockets=deep).values()
    assert launch.address.uds is None
    assert launch.address.base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("env", "cache", "state"),
    [
        ({}, "~/.cache/headstart", "~/.local/state/headstart"),
        (
            {"XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"},
            "/c/headstart",
            "/s/headstart",
        ),
        (
            {"XDG_CACHE_HOME": "relative", "XDG_STATE_HOME": ""},
            "~/.cache/headstart",
            "~/.local/state/headstart",
        ),
    ],
    ids=["default", "chosen", "not-absolute"],
)
def test_folders(env: Mapping[str, str], cache: str, state: str) -> None:
    assert cache_folder(env) == Path(cache).expanduser()
    assert state_folder(env) == Path(state).expanduser()


async def test_attached_engines_are_waited_for_and_left_alone(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = fake_launch(tmp_path, "--port", str(port))
    url = f"http://127.0.0.1:{port}/v1"
    specs = [
        EngineSpec(role="fast", model=None, url=url),
        EngineSpec(role="classifier", model="fake", url=url),
    ]
    theirs = await EngineProcess.start(launch.command, launch.env, log=tmp_path / "log", grace=5)
    try:
        async with running(specs, LAPTOP, {}) as engines:
            assert [engine.ready for engine in engines.values()] == [True, True]
            assert [engine.model for engine in engines.values()] == ["fake", "fake"]
        assert not any(engine.ready for engine in engines.values())
        assert not has_ended(starts(tmp_path)[0][0], within=0)
    finally:
        await theirs.end()


@pytest.mark.engine
async def test_an_engine_that_dies_at_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = {"XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin"}
    bad = EngineSpec(
        role="fast", model=str(model(tmp_path / "m")), extra_args=("--no-such-option",)
    )
    said: list[Progress] = []
    with pytest.raises(EngineError) as failure:
        async with running([bad], inspect_machine(env), env, on_progress=said.append):
            pytest.fail("it cannot be ready")
    first, reason, where = failure.value.message.splitlines()
    assert first == "m ended with exit status 2."
    assert reason == "entry.py: error: unrecognized arguments: --no-such-option"
    assert str(tmp_path / "headstart" / "engines" / "fast.log") in where
    assert said[-1].step == "failed"
    assert not any(name.startswith("headstart-") for name in os.listdir(tmp_path))
