"""The JavaScript recipe in a real browser, on a page of another origin, as users have it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from tests.fakes.fleet import engine, hosted
from tests.fakes.wire import Received, Send, Step, WireServer
from tests.journeys.recipes import Page, code, late_claude, patient, program

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

DRAFT = "🚀 Blue light bends more. 👩‍🔬 Émile's guess: it is the sea 🌊."
DEEP = "Rayleigh 🌈 found it: air sends short waves every way 👍🏽, and so the sky is blue."
HTML = """<!doctype html><meta charset="utf-8"><p id="answer" style="font: 2em sans-serif"></p>
<script type="module">
import { answer } from "./headstart.js";
const page = document.getElementById("answer");
const tell = (said) => fetch("/shown", { method: "POST", body: JSON.stringify(said) });
const messages = [{ role: "user", content: "Why is the sky blue?" }];
const body = { model: "auto", messages, headstart: { threshold: 1 } };
try {
  for await (const text of answer("HEADSTART", body, { key: "hs-page" })) {
    page.textContent = text;
    await tell({ text: page.textContent });
  }
  await tell({ end: "done" });
} catch (error) {
  await tell({ end: String(error) });
}
</script>"""


class Site(WireServer):
    """Serves the page and its module, and hears what the page shows."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.headstart = ""
        self.end = ""

    @override
    def respond(self, request: Received) -> Iterable[Step]:
        """The page, the README's module, or nothing but thanks."""
        if request.path == "/shown":
            said = request.json
            if "text" in said:
                self.page.show(said["text"])
            self.end = said.get("end", "")
        body, kind = {
            "/": (HTML.replace("HEADSTART", self.headstart), "text/html"),
            "/headstart.js": (code("js"), "text/javascript"),
        }.get(request.path, ("", "text/plain"))
        data = body.encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
        yield Send(head.encode() + data)


@asynccontextmanager
async def browser(url: str, folder: Path) -> AsyncGenerator[None]:
    """Chromium with this page open; it reaches nothing but this machine."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL"),  # it ends with us, however we end
        program("chromium", "chromium"),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-component-update", "--disable-background-networking"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder}",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_page_shows_the_draft_and_swaps_it(tmp_path: Path) -> None:
    page, cloud = Page(awaited=DRAFT), late_claude(DEEP)
    cloud.page = page
    async with (
        hosted(fast=engine(DRAFT), anthropic=cloud) as fleet,
        patient(fleet, server={"port": 0, "client_keys": {"page": "hs-page"}}) as url,
        Site(page) as site,
    ):
        site.headstart = url
        async with browser(f"{site.origin}/", tmp_path):
            await site.until(lambda: bool(site.end), within=120)

    assert site.end == "done"
    swap = page.texts.index(DRAFT) + 1
    assert all(DRAFT.startswith(text) for text in page.texts[:swap])
    assert all(text and DEEP.startswith(text) for text in page.texts[swap:])
    assert page.texts[-1] == DEEP
