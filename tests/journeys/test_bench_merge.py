"""`headstart bench merge` as a person runs it, against hosts whose usage is known."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from models.stream import Usage
from serving.__main__ import main
from serving.engines import fleet as engine_fleet
from tests.fakes.delivery import Delivery
from tests.fakes.faults import Fault
from tests.fakes.fleet import FakeFleet, claude, engine, hosted
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import closed_port
from tests.serving.live import headstart

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]  # each run loads the classifier

ROOT = Path(__file__).parents[2]
ANSWER = "Rain is water. It falls from clouds."
CLAUDE, DEEPSEEK = "anthropic/claude-sonnet-5-5", "deepseek/deepseek-v4-pro"
PRICE = {"input_usd_per_mtok": 2.0, "output_usd_per_mtok": 10.0}


def alone() -> Turn:
    return Turn(answer=ANSWER, usage=Usage(input=1000, output=200))


def continuing() -> Turn:
    return Turn(answer=ANSWER, usage=Usage(input=1043, output=179))


def drafting() -> ScriptedProvider:
    return engine(ANSWER)


@dataclass(frozen=True)
class Run:
    """What the command printed and how it ended."""

    code: int | None
    out: str
    err: str

    @property
    def row(self) -> list[str]:
        """The cells of way `continue`: way, draft in and out, deep in and out, each, all, of, words."""
        [line] = [line for line in self.out.splitlines() if line.startswith("continue ")]
        return line.split()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


class Bench:
    """Runs `headstart bench merge --way continue` with a fleet's settings."""

    def __init__(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        self._capsys = capsys
        self._folder = tmp_path

    async def __call__(
        self, fleet: FakeFleet, *options: str, prompts: Sequence[str] = ("Why does it rain?",)
    ) -> Run:
        arguments = self.arguments(fleet, *options, prompts=prompts)
        code = await asyncio.to_thread(_code_of, arguments)
        out, err = self._capsys.readouterr()
        return Run(code, out, err)

    def arguments(self, fleet: FakeFleet, *options: str, prompts: Sequence[str]) -> list[str]:
        fleet.settings["models"] = dict.fromkeys((CLAUDE, DEEPSEEK), PRICE)
        fleet.settings["deadlines"] = {"fast_first_token": 5.0}  # no busy machine drops a draft
        config, questions = self._folder / "headstart.toml", self._folder / "prompts.txt"
        config.write_text(fleet.toml)
        questions.write_text("\n".join(prompts))
        files = ["--config", str(config), "--prompts", str(questions)]
        return ["bench", "merge", "--way", "continue", *files, *options]


def _code_of(arguments: list[str]) -> Any:
    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code
    return None


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Bench:
    return Bench(capsys, tmp_path)


async def test_the_dollars_are_exact(bench: Bench, tmp_path: Path) -> None:
    deep = claude(alone(), continuing())
    figures = tmp_path / "figures.json"
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        run = await bench(fleet, "--yes", "--json", str(figures))
        kept = (fleet.folder / "outcomes.db").exists()

    # alone: 1000 * 2 + 200 * 10 millionths; continuing: 1043 * 2 + 179 * 10
    assert run.code == 0, run.err
    assert run.row[3:8] == ["1043", "179", "0.003876", "0.003876", "0.97x"]
    drafted = run.row[2].removeprefix("~")  # how far the draft came before it was stopped
    assert 0 < int(drafted) <= 9
    assert (
        "`continue` costs 0.97x of asking deep alone: in the mean the deep model reads 43 tokens more "
        "(the draft's text and the instruction) and writes 21 tokens less "
        f"(the draft wrote {drafted})."
    ) in run.out
    assert "Spent: $0.007876." in run.out
    assert "stood in" not in run.out
    found = json.loads(figures.read_text())
    assert [row["usd_total"] for row in found["rows"]] == [0.004, 0.003876]
    assert found["rows"][1]["ratio"]["value"] == pytest.approx(0.969)
    assert [leg["role"] for leg in found["samples"][1]["legs"]] == ["draft", "upgrade"]
    assert found["spent_usd"] == 0.007876
    assert len(deep.requests) == 2
    assert "Rain is water." in json.dumps(deep.requests[1].json)
    assert not kept, "the user's outcomes are for tuning: a bench has no place in them"


async def test_all_ways_are_asked_and_the_draft_is_in_each(bench: Bench, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    async with hosted(fast=drafting(), anthropic=claude(alone())) as fleet:
        ways = [option for way in ("thinking", "revise", "hold") for option in ("--way", way)]
        run = await bench(fleet, "--yes", "--repeat", "2", "--json", str(figures), *ways)

    found = json.loads(figures.read_text())
    assert run.code == 0, run.err
    assert [row["way"] for row in found["rows"]] == [
        "deep",
        "continue",
        "thinking",
        "revise",
        "hold",
    ]
    assert {row["requests"] for row in found["rows"]} == {2}
    roles = {(s["way"], tuple(leg["role"] for leg in s["legs"])) for s in found["samples"]}
    relayed = {(way, ("draft", "upgrade")) for way in ("continue", "thinking", "revise", "hold")}
    assert roles == {("deep", ("upgrade",)), *relayed}
    assert "10 requests to anthropic/claude-sonnet-5-5: at most $0." in " ".join(run.err.split())


async def test_without_a_key_the_engine_stands_in_at_the_real_model_s_price(bench: Bench) -> None:
    counted = Turn(answer=ANSWER, usage=Usage(input=500, output=50, cache_read=400))
    async with hosted(fast=engine(counted)) as fleet:
        fleet.settings["deep"] = {"order": [DEEPSEEK]}
        run = await bench(fleet)

    # 500 * 2 + 50 * 10, as if none were cached
    assert run.code == 0, run.err
    assert "0.001500" in run.out
    assert "fast-model stood in for deepseek/deepseek-v4-pro" in run.out
    assert "Spent" not in run.out


async def test_paid_hosts_are_not_asked_without_a_yes(bench: Bench) -> None:
    deep = claude(alone())
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        run = await bench(fleet)

    # 2 * 5 + 600 tokens in and 256 out, twice
    assert run.code == 2
    assert "2 requests to anthropic/claude-sonnet-5-5: at most $0.007560" in run.err
    assert run.err.endswith("Paid hosts are only asked with --yes, or after a yes at a terminal.\n")
    assert deep.requests == []


class Terminal(StringIO):
    """Somebody who has typed this."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code", "requests"), [("y\n", 0, 2), ("n\n", 1, 0)])
async def test_at_a_terminal_a_yes_is_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, requests: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    deep = claude(alone(), continuing())
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        run = await bench(fleet)

    assert run.code == code, run.err
    assert "Go on?" in run.err
    assert len(deep.requests) == requests


async def test_a_budget_ends_the_run_before_it_is_exceeded(bench: Bench) -> None:
    deep = claude(alone(), continuing(), continuing(), alone())
    prompts = ["Why does it rain?"] * 5
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        # One request may cost 0.00756 (asked twice); after two, 0.007876 are spent.
        run = await bench(fleet, "--yes", "--budget", "0.0160", prompts=prompts)

    assert run.code == 0, run.err
    assert "Not all prompts were asked: the next request could have exceeded the budget." in run.out
    assert len(deep.requests) == 3
    assert "1 requests in each way" in run.out


async def test_a_running_headstart_is_asked_with_its_key(bench: Bench) -> None:
    deep = claude(alone(), continuing())
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        fleet.settings["server"] = {"port": 0, "client_keys": {"laptop": "k-1"}}
        fleet.settings["models"] = {CLAUDE: PRICE}
        async with headstart(fleet.settings) as url:
            refused = await bench(fleet, "--url", f"{url}/v1")
            run = await bench(fleet, "--url", f"{url}/v1", "--yes")

    assert refused.code == 2
    assert "2 requests to anthropic/claude-sonnet-5-5: at most $0.007560" in refused.err
    assert run.row[7] == "0.97x"


async def test_a_headstart_that_is_not_there_or_refuses_the_key(bench: Bench) -> None:
    async with hosted(fast=drafting(), anthropic=claude(alone())) as fleet:
        with closed_port() as url:
            nobody = await bench(fleet, "--url", url)
        locked = {**fleet.settings, "server": {"port": 0, "client_keys": {"laptop": "k-1"}}}
        async with headstart(locked) as url:
            refused = await bench(fleet, "--url", url)

    assert nobody.code == refused.code == 2
    assert "headstart: No Headstart answers at http://127.0.0.1:" in nobody.err
    assert " refuses: " in refused.err


async def test_a_host_that_always_fails_costs_three_prompts_and_a_sentence(bench: Bench) -> None:
    broken = claude(Turn(fault=Fault(kind="status", status=401)))
    async with hosted(fast=drafting(), anthropic=broken) as fleet:
        run = await bench(fleet, "--yes", prompts=["Why does it rain?"] * 9)

    assert run.code == 2
    assert run.out == ""
    assert "Nothing can be compared: none of the first 3 prompts could be compared." in run.err
    assert "3 × deep: " in run.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--way", "splice"], "`splice` is not a merge mode; they are continue, thinking,"),
        (["--json", "/nowhere/figures.json"], "Cannot write the figures to /nowhere/figures.json"),
        (["--prompts", "/nowhere.txt"], "Cannot read the prompts in /nowhere.txt"),
        (["--budget", "0.001"], "The budget of $0.001 is too small"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_asked(
    bench: Bench, options: list[str], sentence: str
) -> None:
    deep = claude(alone())
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        run = await bench(fleet, "--yes", *options)
    assert run.code == 2
    assert f"headstart: {sentence}" in run.err
    assert deep.requests == []


async def test_without_a_hosted_model_there_is_nothing_to_compare(bench: Bench) -> None:
    async with hosted(fast=drafting()) as fleet:
        run = await bench(fleet)
    assert run.code == 2
    assert run.err == "headstart: No hosted model is configured: `order` in [deep] is empty.\n"


async def test_an_engine_that_cannot_be_reached(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_fleet, "_ATTACH_WAIT", 0.2)
    async with hosted(fast=drafting(), anthropic=claude(alone())) as fleet:
        with closed_port() as url:
            fleet.settings["fast"] = {"url": f"{url}/v1"}
            run = await bench(fleet, "--yes")
    assert run.code == 2
    assert "was not ready within 0.2 s: it cannot be reached" in run.err


def _hear_ctrl_c() -> None:
    """A shell that runs the tests in the background lets its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_ctrl_c_prints_what_was_measured(bench: Bench) -> None:
    slow = Turn(answer=ANSWER, delivery=Delivery(first_byte_delay=60))
    deep = claude(alone(), continuing(), slow)
    async with hosted(fast=drafting(), anthropic=deep) as fleet:
        arguments = bench.arguments(fleet, "--yes", prompts=["Why?", "How?"])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "serving", *arguments),
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},  # noqa: TID251
            stdout=PIPE,
            stderr=PIPE,
            preexec_fn=_hear_ctrl_c,
        )
        try:
            await deep.received(3, within=120)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert process.returncode == 130, err.decode()
    assert "0.97x" in out.decode()
    assert "Not all prompts were asked: interrupted." in out.decode()
    assert "Traceback" not in err.decode()
