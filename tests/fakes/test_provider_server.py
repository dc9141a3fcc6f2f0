import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.provider_server import answer_of
from tests.fakes.script import tokens_of

_ROOT = Path(__file__).parents[2]


@contextmanager
def server(*options: str) -> Generator[str]:
    """A provider in its own process; its base URL."""
    command = [sys.executable, "-m", "tests.fakes.provider_server", *options]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.parametrize("tokens", [1, 16, 17, 64, 1000])
def test_answers_have_exactly_so_many_tokens(tokens: int) -> None:
    assert len(tokens_of(answer_of(tokens))) == tokens


def test_a_process_of_its_own_answers_until_it_is_stopped() -> None:
    with server("--dialect", "vllm", "--tokens", "20", "--per-write", "4") as url:
        reply = httpx.post(f"{url}/chat/completions", json={"model": "m", "stream": True})
    assert reply.content.count(b'"content":') == 22  # and an empty one at either end
    assert reply.content.endswith(b"data: [DONE]\n\n")
