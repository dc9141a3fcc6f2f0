"""Scripted providers through the project's own wire formats: what is said is what is read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import Abilities, ModelCard, PrefillForm
from models.chat import ChatRequest, Message, Text, ToolCall
from models.errors import ProviderError
from models.stream import (
    Failed,
    Finished,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolArgsDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from router.baton import continuation
from router.providers.anthropic import AnthropicFormat
from router.providers.base import WireFormat
from router.providers.gemini import GeminiFormat
from router.providers.openai import OpenAIFormat
from tests.fakes.asked import Dialect
from tests.fakes.disobedience import tells
from tests.fakes.faults import Fault, FaultKind
from tests.fakes.script import ScriptedProvider, Turn, spoken, tokens_of

pytestmark = pytest.mark.anyio

ANSWER = "Paris is the capital of France. It has two million people — très grand! See “Île”: 日本."
USAGE = Usage(input=100, output=30, cache_read=40, reasoning=5)
FORMATS: Mapping[Dialect, WireFormat] = {
    "anthropic": AnthropicFormat(),
    "gemini": GeminiFormat(),
    "openai": OpenAIFormat(),
    "deepseek": OpenAIFormat(),
    "vllm": OpenAIFormat(),
}
PREFILLS: Mapping[Dialect, PrefillForm] = {
    "anthropic": "assistant_turn",
    "gemini": "model_turn",
    "openai": "assistant_turn",
    "deepseek": "prefix_flag",
    "vllm": "continue_final_message",
}
HI = ChatRequest(
    model="m",
    messages=(Message(role="user", parts=(Text(text="What is the capital?"),)),),
    include_usage=True,
    stream=True,
)
dialects = pytest.mark.parametrize("dialect", FORMATS)


@dataclass(frozen=True, slots=True)
class Read:
    """What came out of the decoder."""

    events: list[StreamEvent]
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, ReasoningDelta))

    @property
    def usage(self) -> Usage:
        return [e.usage for e in self.events if isinstance(e, UsageReported)][-1]

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        started = [e for e in self.events if isinstance(e, ToolCallStarted)]
        args = [e for e in self.events if isinstance(e, ToolArgsDelta)]
        return [
            (c.id, c.name, "".join(a.text for a in args if a.index == c.index)) for c in started
        ]


async def ask(fake: ScriptedProvider, request: ChatRequest = HI) -> Read:
    """One request through the wire format of the fake's dialect."""
    wire = FORMATS[fake.dialect]
    abilities = Abilities(prefill=PREFILLS[fake.dialect], logprobs=True)
    card = ModelCard(provider="x", id="m", abilities=abilities)
    out = wire.encode(request, card, stream=request.stream)
    async with httpx.AsyncClient(verify=False, timeout=1.0) as client:
        headers = {**out.headers, **wire.auth_headers("k")}
        url = fake.base_url + out.path
        async with client.stream("POST", url, content=out.body, headers=headers) as reply:
            if reply.status_code != 200:
                body = await reply.aread()
                return Read([], wire.decode_error(reply.status_code, reply.headers, body))
            if "json" in reply.headers["content-type"]:
                return Read(wire.decode_body(await reply.aread()))
            decoder = wire.decoder()
            events: list[StreamEvent] = []
            try:
                async for data in reply.aiter_raw():
                    events += decoder.feed(data)
            except httpx.TransportError:
                pass
            return Read([*events, *decoder.close()])


@dialects
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_said_is_what_is_read(dialect: Dialect, stream: bool) -> None:
    turn = Turn(answer=ANSWER, reasoning="Let me think.", usage=USAGE)
    async with ScriptedProvider(dialect, turn) as fake:
        read = await ask(fake, replace(HI, stream=stream))
    assert read.text == ANSWER
    assert read.reasoning == "Let me think."
    assert read.usage == USAGE
    finished = [e for e in read.events if isinstance(e, Finished)]
    assert [e.reason for e in finished] == ["stop"]


@dialects
@pytest.mark.parametrize("stream", [True, False])
async def test_tool_calls_are_read_whole(dialect: Dialect, stream: bool) -> None:
    calls = (
        ToolCall(id="call_1", name="weather", arguments='{"city": "Paris", "days": 3}'),
        ToolCall(id="call_2", name="now", arguments="{}"),
    )
    async with ScriptedProvider(dialect, Turn(answer="Let me look.", tool_calls=calls)) as fake:
        read = await ask(fake, replace(HI, stream=stream))
    assert read.text == "Let me look."
    assert [name for _, name, _ in read.calls] == ["weather", "now"]
    assert [ident for ident, _, _ in read.calls] == ["call_1", "call_2"]
    assert [args.replace(" ", "") for *_, args in read.calls] == ['{"city":"Paris","days":3}', "{}"]
    assert [e.reason for e in read.events if isinstance(e, Finished)] == ["tool_calls"]


@dialects
async def test_a_limit_of_tokens_is_kept(dialect: Dialect) -> None:
    async with ScriptedProvider(dialect, ANSWER) as fake:
        read = await ask(fake, replace(HI, max_tokens=5))
    assert read.text == "Paris is the capital of"
    assert read.usage.output == 5
    assert [e.reason for e in read.events if isinstance(e, Finished)] == ["length"]


@pytest.mark.parametrize("dialect", ["openai", "deepseek", "vllm"])
@pytest.mark.parametrize("stream", [True, False])
async def test_each_token_has_its_log_probability(dialect: Dialect, stream: bool) -> None:
    turn = Turn(answer="One two. Three", logprob=-0.25, tokens_per_chunk=3)
    async with ScriptedProvider(dialect, turn) as fake:
        read = await ask(fake, replace(HI, logprobs=True, stream=stream))
    tokens = [p for e in read.events if isinstance(e, TextDelta) for p in e.logprobs]
    assert [token.token for token in tokens] == ["One", " two", ".", " Three"]
    assert {token.logprob for token in tokens} == {-0.25}
    if stream:
        texts = [e.text for e in read.events if isinstance(e, TextDelta) and e.text]
        assert texts == ["One two.", " Three"]


@dialects
@pytest.mark.parametrize("shown", ["Paris", "Paris is the capital of France.", ANSWER[:59]])
async def test_a_native_prefill_is_continued_from_exactly_there(
    dialect: Dialect, shown: str
) -> None:
    async with ScriptedProvider(dialect, ANSWER) as fake:
        read = await ask(fake, continuation(HI, shown, prefills=True))
    assert shown + read.text == ANSWER


async def test_claude_says_the_white_space_again_that_it_cannot_be_given() -> None:
    """A prefill must not end in white space, so the model's text begins with it."""
    async with ScriptedProvider("anthropic", ANSWER) as fake:
        read = await ask(fake, continuation(HI, "Paris is ", prefills=True))
        assert fake.requests[0].json["messages"][-1]["content"][0]["text"] == "Paris is"
    assert read.text.startswith(" the capital")


@dialects
@pytest.mark.parametrize("first", ["", "Good question! "])
async def test_an_instruction_is_obeyed(dialect: Dialect, first: str) -> None:
    """The quoted end is said again, as asked, and the rest of the answer follows."""
    shown = first + "Paris is the capital of France. It has two"
    async with ScriptedProvider(dialect, ANSWER) as fake:
        read = await ask(fake, continuation(HI, shown, prefills=False))
    quoted = "of France. It has two"
    assert read.text == quoted + ANSWER[len(shown) - len(first) :]


@dialects
async def test_models_that_do_not_obey(dialect: Dialect) -> None:
    shown = "Paris is the capital of France."
    request = continuation(HI, shown, prefills=False)
    turns = [
        Turn(answer=ANSWER, echo=0),
        Turn(answer=ANSWER, echo=2),
        Turn(answer=ANSWER, restart=True),
    ]
    async with ScriptedProvider(dialect, *turns) as fake:
        said = [(await ask(fake, request)).text for _ in turns]
    rest = ANSWER[len(shown) :]
    assert said == [rest, "of France." + rest, ANSWER]


@dialects
async def test_disobedience_begins_where_the_model_is_asked_to_go_on(dialect: Dialect) -> None:
    shown = "Paris is the capital of France. It has two"
    request = continuation(HI, shown, prefills=False)
    async with ScriptedProvider(dialect, Turn(answer=ANSWER, disobeys="skips")) as fake:
        assert (await ask(fake)).text == ANSWER
        assert (await ask(fake, request)).text == "See “Île”: 日本."
        fake.script(Turn(answer=ANSWER, disobeys="repeats_instruction"))
        assert (await ask(fake, request)).text.startswith("Your answer broke off.")
        fake.script(Turn(answer=ANSWER, disobeys="echoes"))
        assert (await ask(fake, continuation(HI, shown, prefills=True))).text == ANSWER


def test_a_text_is_told_but_for_the_ends_of_sentences_that_were_skipped() -> None:
    answer = "One two. Three four five. Six."
    assert tells(answer, answer, skips=0)
    assert tells(answer, "One two. Three\nSix.", skips=1)
    assert tells(answer, "One two. Three fo", skips=0, whole=False)
    assert not tells(answer, "One two. Three Six.", skips=0)
    assert not tells(answer, "One two. Three four five.", skips=1)
    assert not tells(answer, "One two. One two. Three four five. Six.", skips=3)


@dialects
async def test_a_new_question_is_not_a_continuation(dialect: Dialect) -> None:
    turns = (
        *HI.messages,
        Message(role="assistant", parts=(Text(text=ANSWER),)),
        Message(role="user", parts=(Text(text="Tell me more about Paris."),)),
    )
    async with ScriptedProvider(dialect, ANSWER) as fake:
        assert (await ask(fake, replace(HI, messages=turns))).text == ANSWER


async def test_an_engine_is_not_asked_to_continue_and_to_begin_at_once() -> None:
    body = {
        "messages": [{"role": "assistant", "content": "Paris"}],
        "continue_final_message": True,
    }
    async with ScriptedProvider("vllm", ANSWER) as fake, httpx.AsyncClient() as client:
        url = f"{fake.base_url}/chat/completions"
        refused = await client.post(url, json=body)
        taken = await client.post(url, json={**body, "add_generation_prompt": False})
    assert refused.status_code == 400
    assert "Cannot set both" in refused.json()["error"]["message"]
    assert taken.json()["choices"][0]["message"]["content"] == ANSWER.removeprefix("Paris")


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
async def test_a_model_without_prefill_refuses_it(dialect: Dialect) -> None:
    async with ScriptedProvider(dialect, ANSWER, prefill=False) as fake:
        refused = await ask(fake, continuation(HI, "Paris", prefills=True))
        taken = await ask(fake, continuation(HI, "Paris", prefills=False))
    assert refused.error is not None
    assert refused.error.upstream_status == 400
    assert taken.text == ANSWER


async def test_sampling_and_foreign_keys_are_refused_where_asked() -> None:
    async with ScriptedProvider("anthropic", ANSWER, sampling=False, api_key="k") as fake:
        warm = await ask(fake, replace(HI, temperature=0.5))
        fine = await ask(fake)
        fake.api_key = "another"
        foreign = await ask(fake)
    assert warm.error is not None
    assert "temperature" in warm.error.message
    assert fine.text == ANSWER
    assert foreign.error is not None
    assert foreign.error.upstream_status == 401


async def test_turns_follow_each_other_and_the_last_repeats() -> None:
    fault = Fault(kind="status", status=503)
    async with ScriptedProvider("gemini", Turn(fault=fault), "one", "two") as fake:
        reads = [await ask(fake) for _ in range(4)]
        fake.script("three")
        reads.append(await ask(fake))
    assert reads[0].error is not None
    assert [read.text for read in reads[1:]] == ["one", "two", "two", "three"]


@dialects
@pytest.mark.parametrize("kind", ["reset", "close", "cut", "error", "garbage"])
@pytest.mark.parametrize("torn", [False, True])
async def test_a_fault_comes_after_exactly_so_many_characters(
    dialect: Dialect, kind: FaultKind, torn: bool
) -> None:
    for at in (0, 1, 17, len(ANSWER)):
        turn = Turn(answer=ANSWER, fault=Fault(kind=kind, at=at, torn=torn))
        async with ScriptedProvider(dialect, turn) as fake:
            read = await ask(fake)
        # What a RST overtakes may be lost on its way.
        assert read.text == ANSWER[:at] or (kind == "reset" and ANSWER[:at].startswith(read.text))
        assert isinstance(read.events[-1], Failed), (at, read.events[-3:])


@dialects
async def test_the_same_answer_may_come_whole_where_a_stream_was_asked(dialect: Dialect) -> None:
    async with ScriptedProvider(dialect, Turn(answer=ANSWER, fault=Fault(kind="json"))) as fake:
        read = await ask(fake)
    assert read.text == ANSWER
    assert isinstance(read.events[-1], Finished)


@given(answer=st.text(max_size=60), at=st.integers(0, 60), size=st.integers(1, 4))
def test_any_text_is_cut_into_tokens_with_a_border_at_the_fault(
    answer: str, at: int, size: int
) -> None:
    turn = Turn(answer=answer, tokens_per_chunk=size, fault=Fault(kind="cut", at=at))
    said = [token.text for token in spoken(tokens_of(answer), turn)]
    assert "".join(said) == answer
    assert "" not in said
    assert at > len(answer) or at in accumulate(map(len, said), initial=0)
