"""Running the planned engines: weights, shares, processes, one after the other."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from serving.engines.attached import Attached
from serving.engines.engine import Address, Engine, OnProgress, Progress, Role, say_nothing
from serving.engines.folders import state_folder
from serving.engines.gpu import Footprint, Share, share_out
from serving.engines.plan import LEAST_TOKENS, EngineSpec, Machine, demand
from serving.engines.supervisor import Patience, Supervisor
from serving.engines.vllm import CpuShare, Launch, cpu_share, footprint, launch
from serving.engines.weights import obtain, served_name

_WINDOWS: dict[Role, int] = {"fast": 32_768, "classifier": 8_192}
_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes
_ATTACH_WAIT = 60.0


@asynccontextmanager
async def running(
    specs: Sequence[EngineSpec],
    machine: Machine,
    env: Mapping[str, str],
    *,
    on_progress: OnProgress = say_nothing,
    patience: Patience | None = None,
    loopback: bool = False,
) -> AsyncGenerator[Mapping[Role, Engine], None]:
    """Run these engines, all ready, until the block ends. They start one after the other.

    `loopback` makes them listen on a port of 127.0.0.1 in place of a unix socket.
    """
    patience = patience or Patience()
    turn = asyncio.Lock()
    async with AsyncExitStack() as stack:
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headstart-")))
        ours = [spec for spec in specs if spec.url is None]
        folders = [await _weights(spec, env, on_progress) for spec in ours]
        launches = place(ours, folders, machine, env, sockets=None if loopback else sockets)
        engines: dict[Role, Engine] = {}
        for spec in specs:
            engine: Engine
            if spec.url is not None:
                key = env.get(spec.api_key_env) if spec.api_key_env else None
                engine = Attached(spec.url, role=spec.role, model=spec.model, api_key=key)
            else:
                engine = Supervisor(
                    launches[spec.role],
                    role=spec.role,
                    model=served_name(spec.model or ""),
                    log=state_folder(env) / "engines" / f"{spec.role}.log",
                    patience=patience,
                    turn=turn,
                    on_progress=on_progress,
                )
            stack.push_async_callback(engine.stop)
            await engine.ensure_ready(_ATTACH_WAIT if spec.url else patience.start)
            engines[spec.role] = engine
        yield engines


def place(
    specs: Sequence[EngineSpec],
    folders: Sequence[Path],
    machine: Machine,
    env: Mapping[str, str],
    *,
    sockets: Path | None,
) -> dict[Role, Launch]:
    """Divide the machine among engines whose weights lie in these folders.

    They listen on unix sockets in `sockets`, or on loopback ports where that is None or too long.
    """
    sizes = [footprint(folder) for folder in folders]
    shares = _shares(specs, sizes, machine)
    return {
        spec.role: launch(
            folder=folder,
            served_as=served_name(spec.model or ""),
            share=share,
            window=_window(spec, size, share),
            address=_address(spec.role, sockets),
            extra_args=spec.extra_args,
            inherited=env,
        )
        for spec, folder, size, share in zip(specs, folders, sizes, shares, strict=True)
    }


async def _weights(spec: EngineSpec, env: Mapping[str, str], on_progress: OnProgress) -> Path:
    model = spec.model or ""

    def tell(detail: str, fraction: float | None) -> None:
        on_progress(
            Progress(
                role=spec.role,
                model=served_name(model),
                step="weights",
                detail=detail,
                fraction=fraction,
            )
        )

    return await obtain(model, env, tell)


def _shares(
    specs: Sequence[EngineSpec], sizes: Sequence[Footprint], machine: Machine
) -> Sequence[Share | CpuShare]:
    pairs = list(zip(specs, sizes, strict=True))
    if machine.gpus:
        demands = [demand(spec.role, spec.model or "", size, spec.window) for spec, size in pairs]
        return share_out(demands, machine.gpus)
    count = max(1, len(specs))
    return [
        cpu_share(size, cores=machine.cores // count, memory=machine.memory // count)
        for size in sizes
    ]


def _window(spec: EngineSpec, size: Footprint, share: Share | CpuShare) -> int:
    if spec.window is not None:
        return spec.window
    wanted = min(size.window, _WINDOWS[spec.role])
    if isinstance(share, Share):
        return min(wanted, share.tokens)
    return min(wanted, share.kv_bytes // size.kv_per_token, LEAST_TOKENS)


def _address(role: Role, sockets: Path | None) -> Address:
    if sockets is not None and len(str(path := sockets / f"{role}.sock")) <= _LONGEST_SOCKET_PATH:
        return Address(base_url="http://localhost", uds=str(path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return Address(base_url=f"http://127.0.0.1:{port}")
