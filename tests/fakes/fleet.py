"""Hosted providers and a fast engine, all fake, as settings for a whole Headstart."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from models.chat import Json
from tests.fakes.asked import family
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import WireServer, closed_port

_MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-4-argon",
    "deepseek": "deepseek-v4-pro",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeFleet:
    """What a Headstart needs to know to reach these fakes and nobody else."""

    settings: dict[str, Json]
    folder: Path  # for the outcome store and whatever else the server writes

    @property
    def toml(self) -> str:
        """The settings as a headstart.toml."""
        return "\n".join(_toml(self.settings, ()))


def claude(*turns: Turn | str) -> ScriptedProvider:
    """Sonnet 5.5: refuses prefill and sampling options with 400."""
    model = _MODELS["anthropic"]
    return ScriptedProvider("anthropic", *turns, model=model, prefill=False, sampling=False)


def gemini(*turns: Turn | str) -> ScriptedProvider:
    """Gemini 4 Argon: whether it continues a model turn is not known, so it refuses."""
    return ScriptedProvider("gemini", *turns, model=_MODELS["gemini"], prefill=False)


def deepseek(*turns: Turn | str) -> ScriptedProvider:
    """DeepSeek V4 Pro: continues an assistant turn that is marked as a prefix."""
    return ScriptedProvider("deepseek", *turns, model=_MODELS["deepseek"])


def engine(*turns: Turn | str) -> ScriptedProvider:
    """A local vLLM: continues with `continue_final_message`, gives log-probabilities."""
    return ScriptedProvider("vllm", *turns, model="fast-model")


@asynccontextmanager
async def hosted(
    *, fast: ScriptedProvider, **providers: WireServer | None
) -> AsyncGenerator[FakeFleet]:
    """Start the fakes, and put their keys into the environment while they run.

    Providers are asked in the order they are named; `None` is one whose port is closed. Each
    scripted one refuses every key but its own.
    """
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        await stack.enter_async_context(fast)
        settings: dict[str, Json] = {
            "fast": {"url": fast.base_url},
            "server": {"port": 0},
            "classifier": {"model": "embedding"},
            "deep": {"order": [_full_name(name, fake) for name, fake in providers.items()]},
            "providers": {},
            "outcomes": {"path": str(folder / "outcomes.db")},
        }
        for name, fake in providers.items():
            variable, key = f"FAKE_{name.upper()}_KEY", f"test-key-of-{name}"
            patch.setenv(variable, key)
            row = {"api_key_env": variable}
            if fake is None:
                row["base_url"] = stack.enter_context(closed_port())
            else:
                await stack.enter_async_context(fake)
                row["base_url"] = fake.base_url
            if isinstance(fake, ScriptedProvider):
                fake.api_key = key
                row["dialect"] = family(fake.dialect)
            settings["providers"][name] = row
        yield FakeFleet(settings=settings, folder=folder)


def _full_name(name: str, fake: WireServer | None) -> str:
    model = fake.model if isinstance(fake, ScriptedProvider) else "scripted-model"
    return f"{name}/{_MODELS.get(name, model)}"


def _toml(table: Mapping[str, Json], path: tuple[str, ...]) -> Iterator[str]:
    """Strings, numbers, booleans and lists of them are written in TOML as in JSON."""
    tables: dict[str, dict[str, Json]] = {k: v for k, v in table.items() if isinstance(v, dict)}
    plain = {key: value for key, value in table.items() if key not in tables}
    if path and plain:
        yield f"[{'.'.join(json.dumps(key) for key in path)}]"
    for key, value in plain.items():
        yield f"{json.dumps(key)} = {json.dumps(value)}"
    for key, inner in tables.items():
        yield from _toml(inner, (*path, key))
