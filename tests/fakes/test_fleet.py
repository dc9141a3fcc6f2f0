import os
import tomllib

import httpx
import pytest

from serving.settings import Settings
from tests.fakes.fleet import claude, deepseek, engine, gemini, hosted
from tests.fakes.recordings import recording
from tests.fakes.replay import ReplayServer
from tests.fakes.script import ScriptedProvider

pytestmark = pytest.mark.anyio


async def test_settings_name_every_fake_in_order() -> None:
    fast, mine = engine("Hi."), ScriptedProvider("openai", "Hi.", model="mine-1")
    async with hosted(fast=fast, gemini=gemini("Hi."), anthropic=claude("Hi."), mine=mine) as fleet:
        settings = Settings(**fleet.settings)
        assert settings.fast.url == fast.base_url
        assert settings.deep.order == [
            "gemini/gemini-4-argon",
            "anthropic/claude-sonnet-5-5",
            "mine/mine-1",
        ]
        assert settings.providers["mine"].dialect == "openai"
        assert settings.providers["mine"].base_url == mine.base_url
        assert tomllib.loads(fleet.toml) == fleet.settings


async def test_each_fake_takes_only_its_own_key() -> None:
    fake = deepseek("Hi.")
    async with hosted(fast=engine("Hi."), deepseek=fake) as fleet:
        variable = fleet.settings["providers"]["deepseek"]["api_key_env"]
        statuses: list[int] = []
        for key in (os.environ[variable], "test-key-of-anthropic"):  # noqa: TID251
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as client:
                url = f"{fake.base_url}/chat/completions"
                statuses.append((await client.post(url, json={"messages": []})).status_code)
    assert statuses == [200, 401]
    assert variable not in os.environ  # noqa: TID251


async def test_recordings_and_closed_ports_take_part() -> None:
    replay = ReplayServer(recording("gemini/stream-text-flash25"))
    async with hosted(fast=engine("Hi."), gemini=replay, anthropic=None) as fleet:
        urls = {name: row["base_url"] for name, row in fleet.settings["providers"].items()}
        assert urls["gemini"] == replay.base_url
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(urls["anthropic"])
