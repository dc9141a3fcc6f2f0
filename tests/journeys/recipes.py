"""The README's `revise` helpers as they stand there, each behind the same few lines of a client."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from typing_extensions import override

from models.chat import Json
from tests.fakes.fleet import FakeFleet, claude, deepseek
from tests.fakes.script import ScriptedProvider, Turn
from tests.fakes.wire import Pause, Received, Step
from tests.serving.live import headstart

README = Path(__file__).parents[2] / "README.md"
_DRIVER = """
import { answer } from "./headstart.mjs";
const { url, body, leave } = JSON.parse(process.argv[2]);
const say = (what) => new Promise((done) => process.stdout.write(JSON.stringify(what) + "\\n", done));
const leaving = new AbortController();
try {
  for await (const text of answer(url, body, { signal: leaving.signal })) {
    await say({ text });
    if (leave === "abort") leaving.abort();
    if (leave === "break") break;
  }
} catch (error) {
  await say({ error: `${error.name}: ${error.message}` });
}
"""


@dataclass
class Page:
    """What a client has shown, in order; `seen` is set once it has shown `awaited`."""

    client: str = ""
    awaited: str = ""
    texts: list[str] = field(default_factory=list[str])
    error: str = ""
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, text: str) -> None:
        """One more text."""
        self.texts.append(text)
        if text == self.awaited:
            self.seen.set()


def code(language: str) -> str:
    """The one block of this language in the README's recipes."""
    section = README.read_text().partition("\n## Recipes\n")[2].partition("\n## ")[0]
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return block


def program(name: str, package: str) -> str:
    """Where it is; a test that can install it must not skip."""
    found = shutil.which(name)
    if found is None and os.geteuid() != 0:
        pytest.skip(f"{name} is missing and only root can install it: apt-get install {package}")
    assert found, f"{name} is missing: apt-get install {package} (scripts/test does it)"
    return found


async def javascript(url: str, body: Json, page: Page, folder: Path, leave: str = "") -> None:
    """Ask with the JavaScript helper, in Node."""
    (folder / "headstart.mjs").write_text(code("js"))
    (folder / "driver.mjs").write_text(_DRIVER)
    job = json.dumps({"url": url, "body": body, "leave": leave})
    async for said in node(folder / "driver.mjs", job):
        if "text" in said:
            page.show(said["text"])
        page.error = said.get("error", "")


async def node(script: Path, *arguments: str) -> AsyncGenerator[dict[str, Any], None]:
    """Run a script; yields each line that it prints, as JSON."""
    process = await asyncio.create_subprocess_exec(
        program("node", "nodejs"),
        script,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            yield json.loads(line)
        _, complaints = await process.communicate()
        assert (process.returncode, complaints.decode()) == (0, "")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def python(url: str, body: Json, page: Page) -> None:
    """Ask with the Python helper and the synchronous SDK."""
    helper = _python_helper()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            create: Any = client.chat.completions.create
            with create(**_sdk_arguments(body)) as chunks:
                for text in helper["texts"](chunks):
                    loop.call_soon_threadsafe(page.show, text)

    try:
        await asyncio.to_thread(ask)
    except Exception as error:
        page.error = f"{type(error).__name__}: {error}"


async def async_python(url: str, body: Json, page: Page, *, leave: bool = False) -> None:
    """Ask with the Python helper and the asynchronous SDK."""
    helper = _python_helper()
    try:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            create: Any = client.chat.completions.create
            async with await create(**_sdk_arguments(body)) as chunks:
                async for text in helper["async_texts"](chunks):
                    page.show(text)
                    if leave:
                        break
    except Exception as error:
        page.error = f"{type(error).__name__}: {error}"


def _python_helper() -> dict[str, Callable[..., Any]]:
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code("python"), "README.md", "exec", dont_inherit=True), names)
    return names


def _sdk_arguments(body: Json) -> dict[str, Any]:
    standard = {key: value for key, value in body.items() if key != "headstart"}
    ours = {"merge": "revise", **body.get("headstart", {})}
    return {**standard, "stream": True, "extra_body": {"headstart": ours}}


class AfterTheDraft(ScriptedProvider):
    """A hosted model that is silent until `page` has shown what it awaits."""

    page = Page()

    @override
    def respond(self, request: Received) -> Iterator[Step]:
        """The scripted answer, once its time has come."""
        while not self.page.seen.is_set():
            yield Pause(0.005)
        yield from super().respond(request)


def late_claude(*turns: Turn | str) -> AfterTheDraft:
    """Sonnet 5.5, as in `tests.fakes.fleet`."""
    model = claude().model
    return AfterTheDraft("anthropic", *turns, model=model, prefill=False, sampling=False)


def late_deepseek(*turns: Turn | str) -> AfterTheDraft:
    """DeepSeek V4 Pro, as in `tests.fakes.fleet`."""
    return AfterTheDraft("deepseek", *turns, model=deepseek().model)


@asynccontextmanager
async def patient(fleet: FakeFleet, **sections: Json) -> AsyncGenerator[str, None]:
    """A whole Headstart that no busy machine makes drop a draft."""
    settings = {**fleet.settings, "deadlines": {"fast_first_token": 5.0}, **sections}
    async with headstart(settings) as url:
        yield url
