import os
from dataclasses import replace

import pytest

from scripts.bench.client import Client, chat_request, connect
from scripts.bench.latency import first_sentence
from scripts.bench.throughput import Options, Target, ask_round
from tests.fakes.delivery import Delivery
from tests.fakes.faults import Fault
from tests.fakes.provider_server import answer_of
from tests.fakes.script import ScriptedProvider, Turn

pytestmark = pytest.mark.anyio

OPTIONS = Options(open=2, requests=4, rounds=1, tokens=20, model="fast", core=0)


async def client_of(fake: ScriptedProvider) -> tuple[Client, bytes]:
    return await connect(fake.base_url), chat_request(fake.base_url, "m", "Hi", max_tokens=50)


@pytest.mark.parametrize("cut", ["whole", "events", 7])
async def test_an_answer_is_read_however_its_bytes_come(cut: str | int) -> None:
    turn = Turn(answer="One — two. Three", delivery=Delivery(cut=cut))  # pyright: ignore[reportArgumentType]
    async with ScriptedProvider("vllm", turn) as fake:
        client, request = await client_of(fake)
        first, second = await client.ask(request), await client.ask(request)
        client.close()
        assert len(fake.connections) == 1
        assert fake.requests[0].json["max_tokens"] == 50
    assert first.text() == second.text() == "One — two. Three"
    assert first.header("content-type") == "text/event-stream; charset=utf-8"


async def test_each_piece_has_the_time_at_which_it_came() -> None:
    turn = Turn(answer="One. Two three.", delivery=Delivery(pauses=(0.0, 0.05, 0.05)))
    async with ScriptedProvider("vllm", turn) as fake:
        client, request = await client_of(fake)
        answer = await client.ask(request)
        client.close()
    times = [seconds for seconds, _ in answer.deltas()]
    assert times == sorted(times)
    assert times[1] - times[0] > 0.04
    # The sentence is certain when the word behind its end has come.
    assert first_sentence(answer) == times[2]


async def test_an_error_and_a_broken_answer_are_not_measured() -> None:
    faults = [Fault(kind="status", status=503), Fault(kind="close", at=3)]
    async with ScriptedProvider("vllm", *(Turn(answer="One two", fault=f) for f in faults)) as fake:
        client, request = await client_of(fake)
        with pytest.raises(RuntimeError, match="503"):
            await client.ask(request)
        client.close()
        client, request = await client_of(fake)
        with pytest.raises(ConnectionError):
            await client.ask(request)


async def test_a_round_counts_tokens_and_refuses_a_wrong_answer() -> None:
    async with ScriptedProvider("vllm", answer_of(20)) as fake:
        target = Target("fake", fake.base_url, "m", os.getpid())
        wall, cpu = await ask_round(OPTIONS, target)
        assert wall > 0
        assert cpu > 0
        assert len(fake.requests) == 4
        with pytest.raises(RuntimeError, match="4 wrong answers"):
            await ask_round(replace(OPTIONS, tokens=21), target)
