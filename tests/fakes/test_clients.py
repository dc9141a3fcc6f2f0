"""The clients, asked straight against a faulty host: each breaks as it did when it was measured."""

import ssl
from typing import Any

import httpx
import pytest

from tests.fakes.clients import (
    FOR_EVER,
    Aider,
    ClaudeCode,
    Client,
    Cline,
    Codex,
    Continue,
    GeminiCli,
    NodeSdk,
    OpenCode,
    Pi,
    QwenCode,
    Told,
)
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.script import ScriptedProvider, Turn

pytestmark = pytest.mark.anyio

ANSWER = "Hello from Paris. It is spring."
TLS = ssl.create_default_context()  # loading certificates is slow: once is enough
HI: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


async def asked(client: Client, *turns: Turn | str, stream: bool = True) -> Told:
    http = httpx.AsyncClient(verify=TLS)
    async with ScriptedProvider("openai", *turns) as host, http:
        told = await client.ask(http, f"{host.base_url}/chat/completions", HI, stream=stream)
        assert told.requests == len(host.requests)
        return told


def broken(kind: FaultKind, at: int | None = 0, **options: Any) -> Turn:
    return Turn(answer=ANSWER, fault=Fault(kind=kind, at=at, **options))


@pytest.mark.parametrize(
    ("client", "turn", "requests", "gave_up"),
    [
        (OpenCode, broken("foreign_event"), 1, "foreign event"),
        (Cline, broken("foreign_event"), 1, "foreign event"),
        (GeminiCli, broken("foreign_event"), 5, "foreign event"),
        (Aider, broken("foreign_event"), 1, None),
        (OpenCode, broken("no_end"), FOR_EVER, "no finish"),
        (OpenCode, broken("no_finish"), FOR_EVER, "no finish"),
        (QwenCode, broken("no_end"), 1, "no finish"),
        (Cline, broken("no_end"), 1, "no finish"),
        (Codex, broken("no_end"), 1, "no finish"),
        (Pi, broken("no_end"), 1, None),
        (OpenCode, broken("json"), FOR_EVER, "not a stream"),
        (QwenCode, broken("json"), 1, "not a stream"),
        (Cline, broken("json"), 1, "not a stream"),
        (Codex, broken("json"), 1, "not a stream"),
        (Pi, broken("error", 5), 1, "error object"),
        (Cline, broken("close", 5), 1, "dropped"),
        (QwenCode, broken("close", 5), 1, "dropped"),
        (Continue, broken("error", 5), 8, "error object"),
        (OpenCode, broken("close", 5), 8, "dropped"),
        (Codex, broken("error", 5), 8, "error object"),
        (Codex, broken("status", status=429), 1, "429"),
        (OpenCode, broken("status", status=429), 8, "429"),
        (Codex, broken("status"), 30, "5xx"),
        (Aider, broken("status"), 24, "5xx"),
        (Continue, broken("status", status=401), 8, "401"),
        (Aider, broken("status", status=401), 1, "401"),
        (Codex, broken("no_id"), 1, "no id"),
        (OpenCode, broken("no_id"), 1, None),
    ],
)
async def test_each_breaks_as_it_was_measured(
    client: type[Client], turn: Turn, requests: int, gave_up: str | None
) -> None:
    told = await asked(client(), turn)
    assert (told.requests, told.gave_up) == (requests, gave_up)


async def test_gemini_cli_shows_the_beginning_again_each_time() -> None:
    assert (await asked(GeminiCli(), broken("error", 10))).shown == "Hello from" * 4
    assert (await asked(GeminiCli(), broken("no_end"))).shown == ANSWER * 4
    assert (await asked(GeminiCli(), broken("error", 10), ANSWER)).shown == f"Hello from{ANSWER}"
    assert (await asked(Aider(), broken("error", 10), ANSWER)).shown == ANSWER


async def test_claude_code_asks_once_more_without_streaming() -> None:
    told = await asked(ClaudeCode(), broken("error", 10), ANSWER)
    assert (told.shown, told.requests, told.gave_up) == (ANSWER, 2, None)
    assert [reply.streamed for reply in told.replies] == [True, False]


async def test_all_mix_a_second_choice_and_show_tags() -> None:
    assert "OTHER" in (await asked(Client(), broken("second_choice"))).shown
    assert "</think>" in (await asked(Client(), broken("think_tags"))).shown


@pytest.mark.parametrize("stream", [True, False])
async def test_node_hangs_up_after_a_long_silence(stream: bool) -> None:
    silent = broken("stall", 5)
    told = await asked(NodeSdk(hurry=3000), silent, stream=stream)
    assert (told.requests, told.gave_up) == (1, "silence")


@pytest.mark.parametrize(
    "kind",
    [
        "comments",
        "unknown_keys",
        "crlf",
        "no_space",
        "no_usage",
        "usage_null",
        "no_role",
        "no_done",
    ],
)
async def test_what_all_bear(kind: FaultKind) -> None:
    for client in (Client, NodeSdk, OpenCode, QwenCode, Cline, Pi, GeminiCli, Codex, Aider):
        told = await asked(client(), broken(kind))
        assert (told.shown, told.requests, told.gave_up) == (ANSWER, 1, None)


async def test_thinking_is_no_text() -> None:
    told = await asked(Cline(), Turn(answer=ANSWER, reasoning="A greeting."))
    assert (told.shown, told.thinking) == (ANSWER, "A greeting.")


async def test_a_whole_answer_has_a_finish_too() -> None:
    told = await asked(OpenCode(), ANSWER, stream=False)
    assert (told.shown, told.requests, told.gave_up) == (ANSWER, 1, None)
