"""`headstart up`: start the engines, then serve, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Mapping
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from serving.app import build
from serving.auth import refuse_exposure
from serving.cli.options import Config
from serving.cli.progress import EngineProgress
from serving.engines.engine import Engine, Progress, Role
from serving.engines.fleet import running
from serving.engines.plan import inspect_machine, plan_engines
from serving.server import Server, listen
from serving.settings import Settings
from serving.settings_file import environment, load_settings
from serving.upstreams import Upstreams, plan_upstreams


def up(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
) -> None:
    """Start the local engine and serve one endpoint in front of it and the cloud."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    settings = _with_options(load_settings(config), host, port)
    refuse_exposure(settings.server.host, settings.server.client_keys)
    upstreams = plan_upstreams(settings, environment())  # refuses before anything slow starts
    with listen(settings.server.host, settings.server.port) as sock:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_up(settings, upstreams, sock))
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise typer.Exit(130) from None


async def _up(settings: Settings, upstreams: Upstreams, sock: socket.socket) -> None:
    env = environment()
    console = Console(highlight=False)
    _on_signals(asyncio.current_task())
    machine = await asyncio.to_thread(inspect_machine, env)
    specs = plan_engines(settings, machine)
    with EngineProgress(Console(stderr=True)) as progress:
        for spec in specs:
            if spec.url is not None:
                waiting = Progress(
                    role=spec.role, model=spec.url, step="starting", detail="attaching"
                )
                progress.tell(waiting)
        async with running(specs, machine, env, on_progress=progress.tell) as engines:
            app = await build(settings, engines, env)
            server = Server(
                app,
                lambda: _greet(console, settings, upstreams, engines, sock, app.state.thresholds),
            )
            progress.done()
            _on_signals(server)
            await server.serve(sockets=[sock])


def _on_signals(ended: asyncio.Task[None] | Server | None) -> None:
    """Ctrl-C and SIGTERM end the start-up, or the serving once it began; engines end with either."""
    assert ended is not None
    end = ended.stop if isinstance(ended, Server) else ended.cancel
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


def _with_options(settings: Settings, host: str | None, port: int | None) -> Settings:
    given = {"host": host, "port": port}
    server = settings.server.model_copy(
        update={key: value for key, value in given.items() if value is not None}
    )
    return settings.model_copy(update={"server": server})


def _greet(
    console: Console,
    settings: Settings,
    upstreams: Upstreams,
    engines: Mapping[Role, Engine],
    sock: socket.socket,
    thresholds: str,
) -> None:
    """Say what runs, what stands in, and what to try."""
    host, port = sock.getsockname()[:2]
    url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104
    console.print(f"\n[bold green]Headstart is up[/] at [bold]{url}[/]")
    for role, engine in engines.items():
        console.print(f"  {role:<11} {engine.model}", markup=False)
    if "classifier" not in engines:
        console.print("  classifier  embedding, in this process")
    console.print(f"  threshold   {thresholds}", markup=False)
    for name in upstreams.order:
        console.print(f"  deep        {_deep_line(name, upstreams, engines)}")
    console.print("\nTry it:\n")
    console.print(_curl(url, bool(settings.server.client_keys)), markup=False, soft_wrap=True)


def _deep_line(name: str, upstreams: Upstreams, engines: Mapping[Role, Engine]) -> str:
    if name in upstreams.usable_order:
        return name
    missing = upstreams.unusable.get(name.partition("/")[0], "")
    if upstreams.stands_in and "fast" in engines:
        return f"{name}: [yellow]{engines['fast'].model} stands in[/] ({missing} for the real one)"
    return f"[dim]{name}: not used ({missing})[/]"


def _curl(url: str, keyed: bool) -> str:
    body = {
        "model": "auto",
        "stream": True,
        "messages": [{"role": "user", "content": "Prove that sqrt(2) is irrational."}],
    }
    key = " -H 'Authorization: Bearer YOUR_CLIENT_KEY'" if keyed else ""
    return f"curl -N {url}/v1/chat/completions{key} -d '{json.dumps(body)}'\n"
