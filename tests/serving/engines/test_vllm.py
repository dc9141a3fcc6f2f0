"""The command line and environment of one vLLM, its log, and its model folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import ConfigError
from serving.engines.engine import Address
from serving.engines.gpu import GIB, KNOWN, Footprint, Share
from serving.engines.vllm import (
    CpuShare,
    child_environment,
    cpu_share,
    footprint,
    gist,
    installed_build,
    launch,
    read_config,
    reasons,
)

SOCKET = Address(base_url="http://localhost", uds="/run/fast.sock")
PORT = Address(base_url="http://127.0.0.1:8123")
ON_CPU = CpuShare(threads=1, kv_bytes=GIB)
ON_GPU = Share(gpu=1, utilization=0.62, tokens=50_000)

QWEN_7B: dict[str, object] = {
    "model_type": "qwen2",
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "hidden_size": 3584,
    "max_position_embeddings": 32768,
}


def model_folder(folder: Path, config: dict[str, object], weights: int = 1000) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(bytes(weights))
    return folder


def command(folder: Path, share: Share | CpuShare, address: Address, *extra: str) -> list[str]:
    made = launch(
        folder=folder,
        served_as="Qwen2.5-7B",
        share=share,
        window=16384,
        address=address,
        extra_args=extra,
        inherited={},
    )
    assert made.address == address
    return list(made.command)


def after(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


def test_the_command_on_a_cpu(tmp_path: Path) -> None:
    arguments = command(model_folder(tmp_path, QWEN_7B), ON_CPU, PORT)
    assert arguments[:3] == [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry"]
    assert after(arguments, "--model") == str(tmp_path)
    assert after(arguments, "--served-model-name") == "Qwen2.5-7B"
    assert after(arguments, "--max-model-len") == "16384"
    assert after(arguments, "--host") == "127.0.0.1"
    assert after(arguments, "--port") == "8123"
    assert after(arguments, "--scheduling-policy") == "priority"
    assert after(arguments, "--kv-cache-memory-bytes") == str(GIB)
    assert after(arguments, "--tool-call-parser") == "hermes"
    assert {"--enable-prefix-caching", "--enforce-eager", "--enable-auto-tool-choice"} <= {
        *arguments
    }
    assert "--gpu-memory-utilization" not in arguments
    assert "--uds" not in arguments


def test_the_command_on_a_gpu(tmp_path: Path) -> None:
    arguments = command(model_folder(tmp_path, QWEN_7B), ON_GPU, SOCKET)
    assert arguments[0].endswith("/bin/vllm")
    assert arguments[1] == "serve"
    assert after(arguments, "--gpu-memory-utilization") == "0.620"
    assert after(arguments, "--uds") == "/run/fast.sock"
    assert "--enforce-eager" not in arguments
    assert "--port" not in arguments


def test_extra_arguments_come_last(tmp_path: Path) -> None:
    arguments = command(
        model_folder(tmp_path, QWEN_7B), ON_GPU, SOCKET, "--gpu-memory-utilization", "0.3"
    )
    assert arguments[-2:] == ["--gpu-memory-utilization", "0.3"]


def test_a_family_without_a_known_tool_syntax_gets_no_parser(tmp_path: Path) -> None:
    arguments = command(model_folder(tmp_path, QWEN_7B | {"model_type": "llama"}), ON_CPU, PORT)
    assert "--enable-auto-tool-choice" not in arguments
    assert "--tool-call-parser" not in arguments


@pytest.mark.engine
def test_the_installed_vllm_takes_every_option(tmp_path: Path) -> None:
    """Asked of vLLM's own parser, in a process: importing it here would load torch."""
    arguments = command(model_folder(tmp_path, QWEN_7B), ON_CPU, SOCKET)[3:]
    arguments += ["--gpu-memory-utilization", "0.6"]
    code = (
        "import sys\n"
        "from vllm.entrypoints.launchers.cli_args import make_arg_parser\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[1:])\n"
    )
    parsed = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr[-2000:]


def test_the_environment_carries_no_secret_and_sends_nothing() -> None:
    env = child_environment(
        {
            "PATH": "/usr/bin",
            "HF_HOME": "/models",
            "HF_TOKEN": "secret",
            "ANTHROPIC_API_KEY": "secret",
            "aws_secret_access_key": "secret",
            "DB_PASSWORD": "secret",
            "HEADSTART__SERVER__CLIENT_KEYS": "secret",
        }
    )
    assert env["PATH"] == "/usr/bin"
    assert env["HF_HOME"] == "/models"
    assert "secret" not in env.values()
    assert env["VLLM_NO_USAGE_STATS"] == env["DO_NOT_TRACK"] == env["HF_HUB_OFFLINE"] == "1"


def test_the_environment_names_the_card_or_the_threads(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, QWEN_7B)

    def env(share: Share | CpuShare) -> dict[str, str]:
        made = launch(
            folder=folder,
            served_as="m",
            share=share,
            window=4096,
            address=PORT,
            inherited={"CUDA_VISIBLE_DEVICES": "0,1"},
        )
        return dict(made.env)

    assert env(ON_GPU)["CUDA_VISIBLE_DEVICES"] == "1"
    assert env(ON_GPU)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env(ON_CPU)["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("cores", "memory", "threads", "kv_tokens"),
    [
        (1, 64 * GIB, 1, 32_768),
        (2, 64 * GIB, 1, 32_768),
        (16, 64 * GIB, 8, 32_768),
        (2, 4 * GIB, 1, 18_724),
        (2, 1 * GIB, 1, 8_192),
    ],
)
def test_an_engine_s_part_of_a_machine_without_a_gpu(
    cores: int, memory: int, threads: int, kv_tokens: int
) -> None:
    size = KNOWN["Qwen/Qwen2.5-7B-Instruct"]
    share = cpu_share(size, cores=cores, memory=memory)
    assert share.threads == threads
    assert share.kv_bytes // size.kv_per_token == kv_tokens


def test_a_footprint_is_read_from_the_folder(tmp_path: Path) -> None:
    known = KNOWN["Qwen/Qwen2.5-7B-Instruct"]
    assert footprint(model_folder(tmp_path, QWEN_7B)) == Footprint(
        weights=1000, kv_per_token=known.kv_per_token, window=known.window
    )


def test_a_multimodal_configuration_is_read_from_its_text_part(tmp_path: Path) -> None:
    text = QWEN_7B | {"model_type": "qwen2_5_vl_text", "head_dim": 64}
    folder = model_folder(tmp_path, {"model_type": "qwen2_5_vl", "text_config": text})
    assert read_config(folder).model_type == "qwen2_5_vl"
    assert footprint(folder).kv_per_token == 2 * 28 * 4 * 64 * 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no config.json"),
        ({"config.json": "{"}, "not a model's configuration"),
        ({"config.json": "{}"}, r"no weights \(\*\.safetensors\)"),
    ],
    ids=["empty", "broken", "no-weights"],
)
def test_a_folder_that_is_no_model(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        footprint(tmp_path)


CORE = "(EngineCore pid=19287) ERROR 11-24 15:15:39 [core.py:1510] "
API = "(APIServer pid=1) INFO 11-24 15:15:39 [model.py:2152] "


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([], []),
        (
            [
                CORE + "    raise ValueError(",
                CORE + "ValueError: No available memory for the cache blocks.",
                "ValueError: No available memory for the cache blocks.",
                "RuntimeError: Engine core initialization failed. See root cause above.",
                "nanobind: leaked 4 instances!",
            ],
            ["ValueError: No available memory for the cache blocks."],
        ),
        (
            ["usage: entry.py [-h]", "entry.py: error: unrecognized arguments: --no-such-flag"],
            ["entry.py: error: unrecognized arguments: --no-such-flag"],
        ),
        ([API + "Using max model len 8192", "Killed"], ["Using max model len 8192", "Killed"]),
    ],
    ids=["silent", "engine-core", "bad-flag", "no-reason"],
)
def test_the_lines_that_say_why(lines: list[str], wanted: list[str]) -> None:
    assert reasons(lines) == wanted


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([], ""),
        ([API + "Using max model len 8192", "  warnings.warn("], "Using max model len 8192"),
        (
            [API + "Starting to load model", "Loading safetensors checkpoint shards:  50% | 2/4"],
            "Loading safetensors checkpoint shards:  50% | 2/4",
        ),
        ([API + "Ready", CORE + "trouble"], "Ready"),
    ],
    ids=["silent", "noise-after", "shards", "error-after"],
)
def test_how_far_a_start_is(lines: list[str], wanted: str) -> None:
    assert gist(lines) == wanted


@pytest.mark.engine
def test_a_build_is_installed() -> None:
    assert installed_build() in ("cpu", "cuda")
