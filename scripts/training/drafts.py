"""Asks a running engine the questions that can be checked, and keeps what its drafts say of themselves.

    python -m scripts.training.drafts --data ../shared/routing --url http://127.0.0.1:8001/v1 --out FILE.jsonl

One line per question: the greedy draft with the log-probabilities of its tokens, two short samples,
the same model's yes or no to its own draft, and whether the draft was right. Run it again to go on
where it stopped. The file holds answers, not prompts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import httpx
import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.training.questions import KINDS, LETTERS, TOKENS, Question, Raw, questions

SAMPLE_TOKENS = 12
TOP = 5  # alternatives listed per token
TRIES = 3
DOUBT = "Is this answer right? Reply with Yes or No."


class Engine:
    """Chat completions of one engine, a bounded number at a time."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        model: str,
        open_requests: int,
        dear: float = 1.0,
    ) -> None:
        """`client` has the engine's address, with /v1; `dear` is the share that is asked again."""
        self._client = client
        self._model = model
        self._slots = asyncio.Semaphore(open_requests)
        self._dear = dear

    async def study(self, question: Question) -> Raw:
        """Everything that is kept of one question."""
        tokens = TOKENS[question.kind]
        async with self._slots:
            draft = (await self._ask(question.messages, max_tokens=tokens, top_logprobs=TOP))[0]
            text = str(draft["message"]["content"] or "")
            again = _share(question.key) < self._dear
            dear = await self._dear_signals(question, text) if again else {}
        return {
            "key": question.key,
            "benchmark": question.benchmark,
            "right": await asyncio.to_thread(question.right, text),
            "text": text,
            "finish": draft["finish_reason"],
            "tokens": [
                [
                    token["token"],
                    round(token["logprob"], 4),
                    [[top["token"], round(top["logprob"], 4)] for top in token["top_logprobs"]],
                ]
                for token in draft["logprobs"]["content"]
            ],
            **dear,
        }

    async def _dear_signals(self, question: Question, text: str) -> Raw:
        """What costs more requests: two samples, the model's doubt, its chances per choice."""
        asked = question.messages
        samples = await self._ask(asked, max_tokens=SAMPLE_TOKENS, temperature=0.7, n=2)
        doubt = [*asked, {"role": "assistant", "content": text}, {"role": "user", "content": DOUBT}]
        letters = LETTERS[: len(question.choices)]
        return {
            "samples": [sample["message"]["content"] for sample in samples],
            "yes": await self._labels(doubt, ("Yes", "No")),
            "letters": await self._labels(asked, tuple(letters)) if letters else None,
        }

    async def _labels(self, messages: list[Raw], labels: Sequence[str]) -> dict[str, float]:
        """Log-probabilities of the labels as the next token; the engine is held to them."""
        choice = {"structured_outputs": {"choice": list(labels)}}
        reply = (await self._ask(messages, max_tokens=1, top_logprobs=20, **choice))[0]
        found: dict[str, float] = {}
        for top in reply["logprobs"]["content"][0]["top_logprobs"]:
            label = next((name for name in labels if name == top["token"].strip()), None)
            if label and math.isfinite(top["logprob"]):
                found[label] = max(round(top["logprob"], 4), found.get(label, -100.0))
        return found

    async def _ask(self, messages: list[Raw], **options: object) -> list[Raw]:
        body = {"model": self._model, "messages": messages, "temperature": 0, "seed": 0, **options}
        if "top_logprobs" in body:
            body["logprobs"] = True
        for tried in range(TRIES):
            with suppress(httpx.TransportError):
                reply = await self._client.post("/chat/completions", json=body)
                return cast("list[Raw]", reply.raise_for_status().json()["choices"])
            await asyncio.sleep(2**tried)
        raise RuntimeError(f"the engine at {self._client.base_url} does not answer")


def _share(key: str) -> float:
    """Where a key lies between 0 and 1, evenly: another part of it than what makes the folds."""
    return int(key[:8], 16) / 16**8


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect what is missing."""
    given = _parser().parse_args(arguments)
    known = {line["key"] for line in kept(given.out)}
    known.update(key for table in given.known for key in keys(table))
    chosen = given.benchmarks.split(",") if given.benchmarks else KINDS
    wanted = [q for q in questions(given.data) if len(q.asked) <= given.longest]
    wanted = [q for q in wanted if q.benchmark in chosen]
    random.Random(0).shuffle(wanted)  # so that a part of the file is a sample of the whole
    missing = [question for question in wanted[: given.limit] if question.key not in known]
    asyncio.run(_collect(given, missing))


def kept(path: Path) -> list[Raw]:
    """The lines collected so far; one that was cut off in the middle is left out."""
    if not path.exists():
        return []
    found: list[Raw] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def keys(table: Path) -> list[str]:
    """The questions of a table of `scripts.training.draft_table`, row by row."""
    with np.load(table, allow_pickle=False) as file:
        return [bytes(digest).hex() for digest in file["sha256"]]


async def _collect(given: argparse.Namespace, missing: Sequence[Question]) -> None:
    given.out.parent.mkdir(parents=True, exist_ok=True)
    async with httpx.AsyncClient(base_url=given.url, timeout=600) as client:
        model = given.model or await _served(client)
        engine = Engine(
            client,
            model=model,
            open_requests=given.open,
            dear=given.dear,
        )
        with given.out.open("a", encoding="utf-8") as file, _progress() as shown:
            file.write("\n" if given.out.stat().st_size else "")  # after a line that was cut off
            bar = shown.add_task(model, total=len(missing))
            studies = [asyncio.ensure_future(engine.study(question)) for question in missing]
            try:
                for study in asyncio.as_completed(studies):
                    _write(file, await study)
                    shown.advance(bar)
            finally:
                for study in studies:
                    study.cancel()


def _write(file: IO[str], line: Raw) -> None:
    file.write(json.dumps(line, ensure_ascii=False) + "\n")
    file.flush()


async def _served(client: httpx.AsyncClient) -> str:
    reply: dict[str, Any] = (await client.get("/models")).raise_for_status().json()
    return str(reply["data"][0]["id"])


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="drafts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the outcomes file")
    parser.add_argument("--url", required=True, help="a running engine, with /v1")
    parser.add_argument("--model", help="its name for its model; default: the first it lists")
    parser.add_argument("--out", type=Path, required=True, help="JSONL, appended to")
    parser.add_argument(
        "--known", type=Path, nargs="*", default=(), help="tables whose questions are not asked"
    )
    parser.add_argument("--benchmarks", help="names with commas between; default: all")
    parser.add_argument("--longest", type=int, default=900, help="characters of a question")
    parser.add_argument("--limit", type=int, default=None, help="at most so many questions")
    parser.add_argument("--dear", type=float, default=1.0, help="share asked for samples and doubt")
    parser.add_argument("--open", type=int, default=24, help="requests open at once")
    return parser


if __name__ == "__main__":
    main()
