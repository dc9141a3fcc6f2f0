"""A newcomer's first command, as they type it: ./scripts/up, a question, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.engine import has_ended

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.engine, pytest.mark.timeout(420)]


@contextmanager
def up(folder: Path, mark: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """./scripts/up from a foreign folder, on a free port; yields it and its URL once it serves."""
    env = {
        "PATH": os.defpath,
        "HOME": str(Path.home()),  # where the unpacked weights are kept between runs
        "XDG_STATE_HOME": str(folder),
        "JOURNEY": mark,
    }
    command = [str(ROOT / "scripts" / "up"), "--port", "0"]
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        yield process, until_it_is_up(process.stdout, folder / "stderr")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def until_it_is_up(lines: Iterator[str], stderr: Path) -> str:
    for line in lines:
        if found := re.search(r"is up at (http://\S+)", line):
            return found[1]
    raise AssertionError(f"it ended: {stderr.read_text()}")


def marked(mark: str) -> list[int]:
    """Every process that has inherited the mark: the server, the leash, vLLM and its children."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"JOURNEY={mark}".encode() in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


def ask(url: str) -> list[dict[str, Any]]:
    """The chunks of a streamed answer; it must end as OpenAI's do."""
    body = {
        "model": "auto",
        "stream": True,
        "max_tokens": 48,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    with httpx.stream(
        "POST", f"{url}/v1/chat/completions", json=body, timeout=120, trust_env=False
    ) as reply:
        assert reply.status_code == 200, reply.read()
        data = [line[6:] for line in reply.iter_lines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(item) for item in data[:-1]]


def test_the_first_answer_and_ctrl_c(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with up(tmp_path, mark) as (process, url):
        chunks = ask(url)
        assert any("content" in str(chunk) for chunk in chunks)
        legs = chunks[-1]["headstart"]["legs"]
        assert legs[0]["role"] == "draft"
        assert legs[0]["first_token_s"] is not None, "a cold engine's draft came too late"
        running = marked(mark)
        assert len(running) >= 4  # server, leash, vLLM's API process and its engine core
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.wait(60)
        assert time.monotonic() - began < 20
        assert all(has_ended(pid, within=0) for pid in running)
    # The logs and the outcomes stay, sockets do not.
    assert (tmp_path / "headstart" / "engines" / "fast.log").exists()


def test_kill_9_leaves_no_orphan(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with up(tmp_path, mark) as (process, _):
        running = marked(mark)
        process.kill()
        assert all(has_ended(pid, within=30) for pid in running)
    assert marked(mark) == []
