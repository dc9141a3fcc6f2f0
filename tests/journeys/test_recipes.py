"""The recipes of the README, run as they stand there against a whole Headstart."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeAlias, get_args

import httpx
import pytest
from typing_extensions import override

from models.chat import Json, Merge
from serving.settings_file import load_settings
from tests.fakes.faults import Fault
from tests.fakes.fleet import claude, engine, hosted
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import Drop, Pause, Received, Send, Step, WireServer
from tests.journeys.recipes import (
    AfterTheDraft,
    Page,
    async_python,
    code,
    javascript,
    late_claude,
    late_deepseek,
    node,
    patient,
    python,
)
from tests.serving.openai_reader import read_stream

pytestmark = pytest.mark.anyio

Helper: TypeAlias = Callable[[str, Json, Page], Awaitable[None]]

DRAFT = "🚀 Blue light bends more. 👩‍🔬 Émile's guess: it is the sea 🌊."
DEEP = "Rayleigh 🌈 found it: air sends short waves every way 👍🏽, and so the sky is blue."
ASK = {"model": "auto", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
TO_DEEP = {"headstart": {"threshold": 1.0}}  # no chance is good enough for the fast tier
TO_FAST = {"headstart": {"threshold": 0.0}}
BETTER = Turn(answer=DEEP)
BREAKS = Turn(answer=DEEP, fault=Fault(kind="reset", at=25))
DOWN = Turn(fault=Fault(kind="status", status=529))


@pytest.fixture
def helpers(tmp_path: Path) -> dict[str, Helper]:
    """Each of them: url, request body and page in, texts shown on that page."""
    return {
        "js": partial(javascript, folder=tmp_path),
        "python": python,
        "async python": async_python,
    }


async def shown_by(
    helpers: dict[str, Helper], url: str, body: Json, *hosts: tuple[ScriptedProvider, list[Turn]]
) -> AsyncIterator[Page]:
    """What a page shows with each of the helpers; before each, the hosts begin anew."""
    for name, helper in helpers.items():
        page = Page(name, awaited=DRAFT)
        for host, turns in hosts:
            host.script(*turns)
            if isinstance(host, AfterTheDraft):
                host.page = page
        await helper(url, body, page)
        yield page


def grows_to(texts: list[str], whole: str) -> bool:
    """Each text is longer than the one before, and the last is the whole."""
    lengths = [len(text) for text in texts]
    begun = all(text and whole.startswith(text) for text in texts)
    return begun and lengths == sorted(set(lengths)) and texts[-1:] == [whole]


def after_the_draft(page: Page) -> list[str]:
    """What was shown after the whole draft; what was before it must have grown to it."""
    until = page.texts.index(DRAFT) + 1
    assert grows_to(page.texts[:until], DRAFT), page
    return page.texts[until:]


async def test_the_draft_is_shown_at_once_and_swapped(helpers: dict[str, Helper]) -> None:
    cloud = late_claude()
    async with hosted(fast=engine(DRAFT), anthropic=cloud) as fleet, patient(fleet) as url:
        async for page in shown_by(helpers, url, ASK | TO_DEEP, (cloud, [BETTER])):
            assert page.error == "", page
            assert grows_to(after_the_draft(page), DEEP), page


async def test_a_draft_that_is_good_enough_stays(helpers: dict[str, Helper]) -> None:
    fast = engine(DRAFT)
    async with hosted(fast=fast, anthropic=claude(DEEP)) as fleet, patient(fleet) as url:
        async for page in shown_by(helpers, url, ASK | TO_FAST):
            assert page.error == "", page
            assert grows_to(page.texts, DRAFT), page


async def test_a_draft_that_nobody_can_better_stays(helpers: dict[str, Helper]) -> None:
    cloud = late_claude()
    async with hosted(fast=engine(DRAFT), anthropic=cloud) as fleet, patient(fleet) as url:
        async for page in shown_by(helpers, url, ASK | TO_DEEP, (cloud, [DOWN])):
            assert page.error == "", page
            assert grows_to(page.texts, DRAFT), page


async def test_a_host_that_breaks_after_the_swap_hands_over(helpers: dict[str, Helper]) -> None:
    first, second = late_claude(), late_deepseek()
    async with (
        hosted(fast=engine(DRAFT), anthropic=first, deepseek=second) as fleet,
        patient(fleet) as url,
    ):
        hosts = (first, [BREAKS, DOWN]), (second, [BETTER])
        async for page in shown_by(helpers, url, ASK | TO_DEEP, *hosts):
            assert page.error == "", page
            assert grows_to(after_the_draft(page), DEEP), page


async def test_what_was_shown_stays_when_nobody_is_left(helpers: dict[str, Helper]) -> None:
    fast, cloud = engine(), late_claude()
    async with hosted(fast=fast, anthropic=cloud) as fleet, patient(fleet) as url:
        hosts = (fast, [Turn(answer=DRAFT), DOWN]), (cloud, [BREAKS, DOWN])
        async for page in shown_by(helpers, url, ASK | TO_DEEP, *hosts):
            assert page.error == "", page
            shown = after_the_draft(page)[-1]
            assert "Rayleigh" in shown, page
            assert DEEP.startswith(shown), page
            assert shown != DEEP, page


async def test_when_nobody_answers_the_error_comes_out(helpers: dict[str, Helper]) -> None:
    async with hosted(fast=engine(DOWN), anthropic=claude(DOWN)) as fleet, patient(fleet) as url:
        async for page in shown_by(helpers, url, ASK | TO_DEEP):
            assert page.texts == [], page
            assert "503" in page.error, page
            assert "Overloaded" in page.error, page


@pytest.mark.parametrize("leave", ["js abort", "js break", "python break"])
async def test_a_page_that_leaves_ends_all_work(leave: str, tmp_path: Path) -> None:
    language, _, how = leave.partition(" ")
    page = Page()
    cloud = claude(Turn(answer=DEEP, fault=Fault(kind="stall", at=25)))
    async with hosted(fast=engine(DRAFT), anthropic=cloud) as fleet, patient(fleet) as url:
        if language == "js":
            await javascript(url, ASK | TO_DEEP, page, tmp_path, how)
        else:
            await async_python(url, ASK | TO_DEEP, page, leave=True)
        await cloud.closed()

    assert len(page.texts) == 1
    assert page.error.partition(":")[0] == ("AbortError" if how == "abort" else "")


# -- what the wire may do, also where our own server does not -----------------------------------


def event(*, delta: Json = None, end: str = "\n\n", **extra: Json) -> str:
    choice: Json = {"index": 0, "delta": delta or {}, "finish_reason": None}
    chunk: Json = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "auto"}
    return f"data: {json.dumps(chunk | {'choices': [choice]} | extra, ensure_ascii=False)}{end}"


OPENING = event(delta={"role": "assistant", "content": "🚀👩‍🔬 draft"}, end="\r\n\r\n")
FINISH = event().replace('"finish_reason": null', '"finish_reason": "stop"')
ODD = "".join(
    [
        ": a comment\r\n\r\n",
        OPENING,
        "event: ignored\r\n" + event(delta={"content": " 🌊"}, end="\r\n\r\n"),
        # 🚀 is one code point, 👩‍🔬 are three: all but " draft 🌊"
        event(delta={"content": ""}, headstart={"replace_from": 4}, end="\r\r"),
        event(delta={"content": " bétter"}).replace("data: ", "data:"),
        ": another\n\n",
        event(delta={"content": " 👍🏽"}).replace(', "choices"', ',\ndata: "choices"'),
        FINISH,
        event().replace(
            '"choices": [{"index": 0, "delta": {}, "finish_reason": null}]', '"choices": []'
        ),
        "data: [DONE]\n\n",
    ]
)
ODD_TEXTS = ["🚀👩‍🔬 draft", "🚀👩‍🔬 draft 🌊", "🚀👩‍🔬 bétter", "🚀👩‍🔬 bétter 👍🏽"]


class Raw(WireServer):
    """Streams these bytes in pieces of this size, and then perhaps drops the connection."""

    def __init__(self, text: str, size: int = 1 << 16, *, drop: bool = False) -> None:
        super().__init__()
        self._body, self._size, self._drop = text.encode(), size, drop

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        """The stream."""
        yield Send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(self._body), self._size):
            piece = self._body[at : at + self._size]
            yield Send(b"%x\r\n%b\r\n" % (len(piece), piece))
            yield Pause()
        yield Drop(reset=True) if self._drop else Send(b"0\r\n\r\n")


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
async def test_any_framing_gives_the_same_texts(helpers: dict[str, Helper], size: int) -> None:
    async with Raw(ODD, size) as server:
        async for page in shown_by(helpers, server.origin, ASK):
            assert (page.texts, page.error) == (ODD_TEXTS, ""), page
    asked = [request.json["headstart"] for request in server.requests]
    assert asked == [{"merge": "revise"}] * len(helpers)


@pytest.mark.parametrize(
    ("text", "drop", "complaint"),
    [
        (OPENING, False, "the answer broke off"),
        (OPENING, True, ""),
        (
            OPENING + 'data: {"error": {"message": "a spanner"}}\n\ndata: [DONE]\n\n',
            False,
            "spanner",
        ),
    ],
    ids=["no end", "reset", "error"],
)
async def test_a_broken_stream_is_an_error(
    helpers: dict[str, Helper], text: str, drop: bool, complaint: str
) -> None:
    async with Raw(text, drop=drop) as server:
        async for page in shown_by(helpers, server.origin, ASK):
            assert page.texts == ["🚀👩‍🔬 draft"], page
            assert page.error, page
            assert complaint in page.error, page


CUTS = """
import { answer } from "./headstart.mjs";
const bytes = Buffer.from(process.argv[2]), wanted = process.argv[3];
for (let size = 1; size <= 400; size++) {
  globalThis.fetch = async () => new Response(new ReadableStream({
    start(out) {
      for (let at = 0; at < bytes.length; at += size) out.enqueue(bytes.subarray(at, at + size));
      out.close();
    },
  }));
  const texts = [];
  for await (const text of answer("", {})) texts.push(text);
  if (JSON.stringify(texts) !== wanted) console.log(JSON.stringify({ size, texts }));
}
"""


async def test_the_stream_may_be_cut_anywhere(tmp_path: Path) -> None:
    """Sockets join small writes; here every piece reaches the helper as it was cut."""
    (tmp_path / "headstart.mjs").write_text(code("js"))
    (tmp_path / "cuts.mjs").write_text(CUTS)
    wanted = json.dumps(ODD_TEXTS, ensure_ascii=False, separators=(",", ":"))
    assert [wrong async for wrong in node(tmp_path / "cuts.mjs", ODD, wanted)] == []


@pytest.mark.parametrize("language", ["js", "python"])
def test_a_helper_is_short(language: str) -> None:
    assert len(code(language).splitlines()) <= 60


# -- the four modes, and who chooses among them -------------------------------------------------

SAME_START = "The sky is blue because of scattering. Short waves bend more."
GOES_ON = "The sky is blue because of scattering. Air scatters blue light most, as Rayleigh found."


async def post(url: str, body: Json, key: str = "none") -> httpx.Response:
    async with httpx.AsyncClient(timeout=20, headers={"x-api-key": key}) as client:
        return await client.post(f"{url}/v1/chat/completions", json=body)


@pytest.mark.parametrize("merge", get_args(Merge))
async def test_streamed_or_not_the_text_is_the_same(merge: Merge) -> None:
    body = ASK | {"headstart": {"threshold": 1.0, "merge": merge}}
    async with (
        hosted(fast=engine(SAME_START), anthropic=claude(GOES_ON)) as fleet,
        patient(fleet) as url,
    ):
        whole = (await post(url, body)).json()
        streamed = await post(url, body | {"stream": True})

    message = whole["choices"][0]["message"]
    pieces = [json.loads(line[6:]) for line in streamed.text.split("\n\n")[:-2]]
    assert final_text(pieces) == message["content"] == GOES_ON
    assert {whole["headstart"]["merge"], pieces[-1]["headstart"]["merge"]} == {merge}


def final_text(chunks: list[Json]) -> str:
    text = ""
    for chunk in chunks:
        text = text[: chunk.get("headstart", {}).get("replace_from")]
        text += chunk["choices"][0]["delta"].get("content", "")
    return text


async def test_thinking_shows_the_draft_as_reasoning_and_nowhere_else() -> None:
    cloud = late_claude(DEEP)
    cloud.page = page = Page()
    body = ASK | {"stream": True, "headstart": {"threshold": 1.0, "merge": "thinking"}}
    async with (
        hosted(fast=engine(DRAFT), anthropic=cloud) as fleet,
        patient(fleet) as url,
        httpx.AsyncClient(timeout=20) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as reply,
    ):
        raw = b"".join([part async for part in shown(reply, page)])

    read = read_stream(raw)
    assert (read.reasoning, read.text, read.finish) == (DRAFT, DEEP, "stop")
    assert read.details == []
    assert read.headstart is not None
    assert [leg["role"] for leg in read.headstart["legs"]] == ["draft", "upgrade"]


REASONING = re.compile(r'"reasoning_content":"([^"]*)"')


async def shown(reply: httpx.Response, page: Page) -> AsyncIterator[bytes]:
    """The bytes as they come; `page` has seen the draft when all of it is in there."""
    raw = b""
    async for part in reply.aiter_bytes():
        raw += part
        if "".join(REASONING.findall(raw.decode(errors="ignore"))) == DRAFT:
            page.seen.set()
        yield part


def test_the_settings_of_the_recipe_are_right(tmp_path: Path) -> None:
    file = tmp_path / "headstart.toml"
    file.write_text(code("toml"))
    assert load_settings(file).server.client_keys["alice"].merge == "thinking"


async def test_the_request_wins_over_the_key_and_the_key_over_the_file() -> None:
    keys = {"plain": "hs-plain", "page": {"key": "hs-page", "merge": "revise"}}
    async with hosted(fast=engine(DRAFT), anthropic=claude(DEEP)) as fleet:
        server = {**fleet.settings["server"], "client_keys": keys}
        async with patient(fleet, server=server, relay={"merge": "thinking"}) as url:
            replies = [
                await post(url, ASK | TO_DEEP, "hs-plain"),
                await post(url, ASK | TO_DEEP, "hs-page"),
                await post(url, ASK | {"headstart": {"merge": "hold", "threshold": 1}}, "hs-page"),
            ]

    chosen = [reply.json()["headstart"]["merge"] for reply in replies]
    assert chosen == ["thinking", "revise", "hold"]
