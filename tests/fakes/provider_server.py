"""A scripted provider as its own process: `python -m tests.fakes.provider_server --tokens 64`.

Prints its base URL as the first line, then serves until it is stopped. Benchmarks use it so that
the fake's work does not count against the server under test.
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import cycle, islice
from typing import get_args

import uvloop

from tests.fakes.asked import Dialect
from tests.fakes.delivery import Delivery
from tests.fakes.script import ScriptedProvider, Turn

_SENTENCE = "The quick brown fox jumps over the lazy dog near the old river bank today.".split()


def answer_of(tokens: int) -> str:
    """Plain prose of exactly so many tokens."""
    words = islice(cycle([*_SENTENCE[:-1], "today", "."]), tokens)
    return " ".join(words).replace(" .", ".")


def main() -> None:
    """Serve until stopped."""
    options = _parser().parse_args()
    delivery = Delivery(
        first_byte_delay=options.first_byte_delay,
        per_write=options.per_write,
        pause=None if options.burst else options.pause,
    )
    turn = Turn(answer=answer_of(options.tokens), delivery=delivery)
    provider = ScriptedProvider(options.dialect, turn, model=options.model)
    try:
        uvloop.run(_serve(provider, options.port))
    except KeyboardInterrupt:
        return


async def _serve(provider: ScriptedProvider, port: int) -> None:
    await provider.start(port)
    print(provider.base_url, flush=True)
    await asyncio.get_running_loop().create_future()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="provider_server", description=__doc__)
    parser.add_argument("--dialect", choices=get_args(Dialect), default="vllm")
    parser.add_argument("--model", default="scripted-model")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tokens", type=int, default=64, help="length of every answer")
    parser.add_argument("--per-write", type=int, default=1, help="tokens handed over at once")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two writes")
    parser.add_argument("--first-byte-delay", type=float, default=0.0, help="seconds")
    parser.add_argument("--burst", action="store_true", help="whole answers without a break")
    return parser


if __name__ == "__main__":
    main()
