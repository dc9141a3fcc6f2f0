"""`headstart doctor`: what is there, what is missing, and the way out. Prints no secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console

from classifier.embedding import WeightsMissing, weights_folder
from models.errors import ConfigError, HeadstartError
from serving.auth import refuse_exposure
from serving.cli.options import Config
from serving.engines.gpu import Gpu
from serving.engines.plan import EngineSpec, Machine, inspect_machine, plan_engines
from serving.engines.weights import DEMO, demo_file, is_folder
from serving.server import listen
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.upstreams import plan_upstreams

Level = Literal["ok", "warn", "fail"]
_STYLES: Mapping[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line."""

    level: Level
    what: str
    text: str


def doctor(config: Config = None) -> None:
    """Check this machine and the settings; exit code 1 when something would fail."""
    checks = list(examine(config, environment()))
    console = Console(highlight=False)
    for check in checks:
        mark = f"[{_STYLES[check.level]}]{check.level:<4}[/]"
        console.print(f"{mark} [bold]{check.what:<11}[/]", end=" ")
        console.print(check.text, markup=False, soft_wrap=True)
    if any(check.level == "fail" for check in checks):
        raise typer.Exit(1)


def examine(config: Path | None, env: Mapping[str, str]) -> Iterator[Check]:
    """All checks; those that need settings are left out when the settings cannot be read."""
    yield _python()
    machine = inspect_machine(env)
    yield _gpu(machine)
    try:
        settings = load_settings(config)
    except ConfigError as error:
        yield Check("fail", "settings", error.message)
        return
    yield Check("ok", "settings", "read without a complaint")
    yield from _engines(settings, machine)
    yield _embedding()
    yield from _keys(settings, env)
    yield _tried("address", lambda: _address(settings))
    yield _outcomes(settings.outcomes.path)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    level: Level = "ok" if sys.version_info >= (3, 11) else "fail"
    return Check(level, "python", version if level == "ok" else f"{version}: 3.11 is needed")


def _gpu(machine: Machine) -> Check:
    if not machine.gpus:
        return Check("warn", "gpu", "none in use: a small engine runs on the CPU")
    return Check("ok", "gpu", "; ".join(_card(gpu) for gpu in machine.gpus))


def _card(gpu: Gpu) -> str:
    return f"{gpu.index}: {gpu.name}, {gpu.free / 2**30:.0f} of {gpu.total / 2**30:.0f} GiB free"


def _engines(settings: Settings, machine: Machine) -> Iterator[Check]:
    try:
        specs = plan_engines(settings, machine)
    except HeadstartError as error:
        yield Check("fail", "engine", error.message)
        return
    for spec in specs:
        if spec.url is not None:
            yield Check("ok", spec.role, f"attached at {spec.url} when `up` runs")
        else:
            yield _tried(spec.role, partial(_weights, spec))


def _weights(spec: EngineSpec) -> str:
    model = spec.model or ""
    if is_folder(model):
        return f"{model}, a folder"
    if model == DEMO:
        return f"the demo model, from {demo_file().name}"
    from huggingface_hub import try_to_load_from_cache  # slow to import, and only used here

    if isinstance(try_to_load_from_cache(model, "config.json"), str):
        return f"{model}, already downloaded"
    raise _Missing(f"{model} is not downloaded yet: the first `headstart up` fetches it")


def _embedding() -> Check:
    try:
        weights_folder()
    except WeightsMissing as error:
        return Check("fail", "classifier", str(error))
    return Check("ok", "classifier", "the embedding classifier's weights are there")


def _keys(settings: Settings, env: Mapping[str, str]) -> Iterator[Check]:
    try:
        upstreams = plan_upstreams(settings, env)
    except ConfigError as error:
        yield Check("fail", "deep", error.message)
        return
    for name in dict.fromkeys(name.partition("/")[0] for name in upstreams.order):
        if name in upstreams.usable:
            variable = upstreams.usable[name].api_key_env
            text = f"{name}: {variable} is set" if variable else f"{name}: needs no key"
            yield Check("ok", "deep", text)
        else:
            yield Check("warn", "deep", f"{name}: {upstreams.unusable[name]}")
    if upstreams.stands_in:
        yield Check("warn", "deep", "no hosted model can be asked: the local engine stands in")


def _address(settings: Settings) -> str:
    host, port = settings.server.host, settings.server.port
    refuse_exposure(host, settings.server.client_keys)
    listen(host, port).close()
    keys = len(settings.server.client_keys)
    return f"{host}:{port} is free; {f'{keys} client keys' if keys else 'no client key is needed'}"


def _outcomes(path: Path) -> Check:
    folder = path.absolute().parent
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        return Check("fail", "outcomes", f"{target} cannot be written: set `path` in [outcomes]")
    return Check("ok", "outcomes", f"kept in {path}")


class _Missing(Exception):
    """Something that will be there later by itself."""


def _tried(what: str, attempt: Callable[[], str]) -> Check:
    """The result of an attempt as a line."""
    try:
        return Check("ok", what, attempt())
    except _Missing as missing:
        return Check("warn", what, str(missing))
    except HeadstartError as error:
        return Check("fail", what, error.message)
