"""The real vLLM, started by our supervisor: what the rest of Headstart relies on."""

from __future__ import annotations

import httpx

from serving.engines.engine import Engine, EngineState
from serving.engines.weights import DEMO_NAME


def ask(url: str, **body: object) -> dict[str, object]:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    reply = httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": DEMO_NAME, "messages": question, "max_tokens": 16} | body,
        timeout=60,
        trust_env=False,
    )
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_it_is_ready_under_its_name(engine: Engine, engine_url: str) -> None:
    assert engine.ready
    assert engine.snapshot().state is EngineState.READY
    assert engine.model == DEMO_NAME
    served = httpx.get(f"{engine_url}/v1/models", trust_env=False).json()["data"]
    assert [model["id"] for model in served] == [DEMO_NAME]
    assert served[0]["max_model_len"] == 8192


def test_the_demo_model_answers_the_same_twice_without_a_temperature(engine_url: str) -> None:
    first, second = (ask(engine_url)["choices"] for _ in range(2))
    assert "Paris" in str(first)
    assert first == second


def test_a_repeated_prompt_is_read_from_the_prefix_cache(engine_url: str) -> None:
    long = [{"role": "user", "content": "Count the sheep on the hill. " * 60}]
    ask(engine_url, messages=long)
    usage = ask(engine_url, messages=long)["usage"]
    assert isinstance(usage, dict)
    assert usage["prompt_tokens_details"]["cached_tokens"] > 128


def test_a_priority_is_accepted(engine_url: str) -> None:
    assert "Paris" in str(ask(engine_url, priority=5))


def test_the_engine_sees_none_of_our_secrets_and_is_offline(engine: Engine) -> None:
    leash = engine.snapshot().pid
    with open(f"/proc/{leash}/environ") as file:
        names = {entry.partition("=")[0] for entry in file.read().split("\0")}
    assert {"VLLM_NO_USAGE_STATS", "HF_HUB_OFFLINE"} <= names
    assert "ANTHROPIC_API_KEY" not in names  # tests/conftest.py set it
