"""A Headstart of the bench's own: the engines and the server of `headstart up`, for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI
from rich.console import Console

from serving.app import build
from serving.cli.progress import EngineProgress
from serving.engines.engine import Progress
from serving.engines.fleet import running
from serving.engines.plan import inspect_machine, plan_engines
from serving.server import Server, listen
from serving.settings import OutcomeSettings, ServerSettings, Settings
from serving.settings_file import environment


@asynccontextmanager
async def own_headstart(settings: Settings, console: Console) -> AsyncGenerator[str]:
    """Start it, and yield its address. What it is asked is kept out of the user's outcomes."""
    env = environment()
    machine = await asyncio.to_thread(inspect_machine, env)
    specs = plan_engines(settings, machine)
    with TemporaryDirectory(prefix="headstart-bench-") as folder, EngineProgress(console) as shown:
        for spec in specs:
            if spec.url is not None:
                shown.tell(Progress(role=spec.role, model=spec.url, step="starting"))
        async with running(specs, machine, env, on_progress=shown.tell) as engines:
            app = await build(_apart(settings, Path(folder)), engines, env)
            shown.done()
            async with _served(app) as url:
                yield url


def _apart(settings: Settings, folder: Path) -> Settings:
    """The same routing, with an outcome store of its own and without client keys.

    One hosted model answers in every way: equals do not take turns, and nobody is asked beside it.
    """
    deep = settings.deep
    alone = {
        "order": _in_line(deep.order),
        "tasks": {task: _in_line(order) for task, order in deep.tasks.items()},
        "hedge": False,
    }
    return settings.model_copy(
        update={
            "server": ServerSettings(),
            "outcomes": OutcomeSettings(path=folder / "outcomes.db"),
            "deep": deep.model_copy(update=alone),
        }
    )


def _in_line(order: Iterable[str | list[str]]) -> list[str]:
    """The names one after the other, those of equals too."""
    return [name for entry in order for name in ([entry] if isinstance(entry, str) else entry)]


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncGenerator[str]:
    """The app on a free port of loopback."""
    with listen("127.0.0.1", 0) as sock:
        listening = asyncio.Event()
        server = Server(app, listening.set)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        await listening.wait()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.stop()
            await serving
