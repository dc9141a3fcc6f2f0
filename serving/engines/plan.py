"""Which engines this machine should run. Pure but for `inspect_machine`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import ConfigError
from serving.engines.engine import Role
from serving.engines.gpu import KNOWN, Demand, Footprint, Gpu, fits, share_out, visible_gpus
from serving.engines.vllm import Build, installed_build
from serving.engines.weights import DEMO, check_name
from serving.settings import ClassifierSettings, FastSettings, Settings

FAST = "Qwen/Qwen2.5-7B-Instruct"
FAST_SMALL = "Qwen/Qwen2.5-7B-Instruct-AWQ"
JUDGE = "Qwen/Qwen2.5-3B-Instruct"
EMBEDDING = "embedding"

LEAST_TOKENS = 8_192  # a window below this is no use for chat
_JUDGE_TOKENS = 32_768  # KV cache: the judge reads short prompts, a few at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is to run engines on. `memory` is what is free, in bytes."""

    build: Build | None
    gpus: tuple[Gpu, ...] = ()
    cores: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """One engine to run, or to attach to when `url` is set."""

    role: Role
    model: str | None  # "demo", folder or hub id; with `url`: its name there, None for the first
    url: str | None = None
    api_key_env: str | None = None
    window: int | None = None
    extra_args: tuple[str, ...] = ()


def inspect_machine(env: Mapping[str, str]) -> Machine:
    """Look at this machine; takes a moment where there is a GPU."""
    build = installed_build()
    return Machine(
        build=build,
        gpus=visible_gpus(env.get("CUDA_VISIBLE_DEVICES")) if build == "cuda" else (),
        cores=len(os.sched_getaffinity(0)),
        memory=_available(Path("/proc/meminfo").read_text()),
    )


def plan_engines(settings: Settings, machine: Machine) -> list[EngineSpec]:
    """The engines that these settings mean on this machine, in the order to start them.

    Without a spec for the classifier, the embedding classifier judges. Raises `ConfigError` with
    the way out for what cannot work.
    """
    judge = _classifier(settings.classifier, settings.fast, machine)
    fast = _fast(settings.fast, machine, beside=judge)
    specs = [spec for spec in (fast, judge) if spec is not None]
    ours = [spec for spec in specs if spec.url is None]
    if ours:
        _check_build(machine)
    for spec in ours:
        check_name(spec.model or "")
    if machine.gpus:
        # Refuse what cannot fit before anything is downloaded, as far as sizes are known.
        share_out([d for spec in ours if (d := _known_demand(spec))], machine.gpus)
    return specs


def plan_judge(settings: Settings, machine: Machine) -> EngineSpec | None:
    """The judge's engine as `plan_engines` means it; None where the embedding classifier judges.

    Nothing counts as taken: the server that this judge belongs to may be on the cards now.
    """
    gpus = tuple(replace(gpu, free=gpu.total) for gpu in machine.gpus)
    return _classifier(settings.classifier, settings.fast, replace(machine, gpus=gpus))


def _fast(settings: FastSettings, machine: Machine, beside: EngineSpec | None) -> EngineSpec:
    model = settings.model
    if model is None and settings.url is None:
        model = _default_fast(machine, beside)
    return EngineSpec(
        role="fast",
        model=model,
        url=settings.url,
        api_key_env=settings.api_key_env,
        window=settings.max_model_len,
        extra_args=tuple(settings.extra_args),
    )


def _default_fast(machine: Machine, beside: EngineSpec | None) -> str:
    if not machine.gpus:
        return DEMO
    neighbours = [d for d in [beside and _known_demand(beside)] if d]
    for model in (FAST, FAST_SMALL):
        if fits([demand("fast", model, KNOWN[model]), *neighbours], machine.gpus):
            return model
    return FAST  # the check that follows says what is missing


def _classifier(
    settings: ClassifierSettings, fast: FastSettings, machine: Machine
) -> EngineSpec | None:
    model = settings.model
    if settings.url is None:
        if model is None:
            model = JUDGE if _has_room_for_judge(fast, machine) else EMBEDDING
        if model == EMBEDDING:
            return None
    return EngineSpec(
        role="classifier", model=model, url=settings.url, api_key_env=settings.api_key_env
    )


def _has_room_for_judge(fast: FastSettings, machine: Machine) -> bool:
    """Whether the default judge fits beside the fast tier, where that one's size is known."""
    demands = [demand("classifier", JUDGE, KNOWN[JUDGE])]
    if fast.url is None:
        model = fast.model or FAST
        if model not in KNOWN:
            return False
        demands.append(demand("fast", model, KNOWN[model], fast.max_model_len))
    return fits(demands, machine.gpus)


def _known_demand(spec: EngineSpec) -> Demand | None:
    size = KNOWN.get(spec.model or "")
    return demand(spec.role, spec.model or "", size, spec.window) if size else None


def demand(role: Role, model: str, size: Footprint, window: int | None = None) -> Demand:
    """What an engine of this role asks of a GPU; a `window` that was asked for must fit whole."""
    return Demand(
        model=model,
        footprint=size,
        least_tokens=window or min(LEAST_TOKENS, size.window),
        most_tokens=_JUDGE_TOKENS if role == "classifier" else None,
    )


def _check_build(machine: Machine) -> None:
    if machine.build is None:
        raise ConfigError(
            "No engine is installed. Run ./scripts/install, or attach to a running one with "
            "[fast] url."
        )
    if machine.build == "cuda" and not machine.gpus:
        raise ConfigError(
            "vLLM's GPU build is installed, but nvidia-smi lists no GPU. Run ./scripts/install "
            "cpu for the CPU build, or attach to a running engine with [fast] url."
        )


def _available(meminfo: str) -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
