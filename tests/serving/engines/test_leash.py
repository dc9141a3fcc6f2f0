"""Nothing outlives its holder, however the holder ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serving.engines.leash import leashed
from tests.fakes.engine import fake_launch, has_ended, starts

PATIENCE = 20.0


def hold(command: list[str], grace: float = 5.0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        leashed(command, grace=grace), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
    ],
    ids=["success", "failure", "killed"],
)
def test_the_command_s_own_status_comes_through(code: str, status: int) -> None:
    with hold([sys.executable, "-S", "-c", code]) as leash:
        assert leash.wait(PATIENCE) == status


def test_the_command_s_output_comes_through_and_it_sees_no_input() -> None:
    code = "import sys; print(repr(sys.stdin.read()))"
    with hold([sys.executable, "-S", "-c", code]) as leash:
        assert leash.stdout is not None
        assert leash.stdout.read() == b"''\n"


def test_dropping_the_leash_ends_the_command() -> None:
    with hold(
        [sys.executable, "-S", "-c", "print('up', flush=True); input = open(0)\nwhile 1: pass"]
    ) as leash:
        assert leash.stdin is not None
        assert leash.stdout is not None
        assert leash.stdout.readline() == b"up\n"
        leash.stdin.close()
        assert leash.wait(PATIENCE) == 128 + signal.SIGTERM


def test_helpers_that_a_dead_command_left_are_ended(tmp_path: Path) -> None:
    launch = fake_launch(tmp_path, "--helper", "--refuse", "no memory")
    with hold(list(launch.command)) as leash:
        assert leash.wait(PATIENCE) == 1
    ((_, helper),) = starts(tmp_path)
    assert has_ended(helper, within=0)


HOLDER = """
import asyncio, sys
from pathlib import Path
from serving.engines.supervisor import Patience, Supervisor
from tests.fakes.engine import fake_launch

async def main():
    folder = Path(sys.argv[1])
    launch = fake_launch(folder, "--helper", *sys.argv[2:])
    engine = Supervisor(launch, role="fast", model="fake", log=folder / "log", patience=Patience(grace=1))
    await engine.ensure_ready(60)
    print(engine.snapshot().pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("options", [[], ["--ignore-term"]], ids=["polite", "ignores-sigterm"])
def test_kill_9_of_the_server_leaves_no_process(tmp_path: Path, options: list[str]) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), *options],
        stdout=subprocess.PIPE,
        cwd=root,
        env={"PYTHONPATH": str(root)},
    ) as server:
        assert server.stdout is not None
        leash = int(server.stdout.readline())
        engine, helper = starts(tmp_path)[0]
        server.kill()
        assert has_ended(engine, within=30)
        assert has_ended(helper)
        assert has_ended(leash)
