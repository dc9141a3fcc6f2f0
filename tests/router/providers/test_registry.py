"""The registry: every row builds, configuration overrides, and what is missing is named."""

from __future__ import annotations

import pytest

from models.errors import ConfigError
from router.providers.openai import OpenAIFormat
from router.providers.registry import ROWS, build, resolve, wire_format

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ROWS)
async def test_every_row_builds(name: str) -> None:
    provider = build(name, base_url="" if ROWS[name].base_url else "http://127.0.0.1:1/v1")
    assert provider.name == name
    assert wire_format(ROWS[name]).name == ROWS[name].dialect
    await provider.aclose()


@pytest.mark.parametrize("name", ROWS)
def test_addresses_are_safe_and_keys_have_a_name(name: str) -> None:
    row = ROWS[name]
    local = row.base_url.startswith("http://127.0.0.1:")
    assert local or row.base_url.startswith("https://") or row.needs
    assert local or row.api_key_env
    assert not row.base_url.endswith("/")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("litellm", "http://127.0.0.1:4000/v1"), ("azure", "openai.azure.com"), ("mine", "https://")],
)
def test_a_missing_address_is_named_with_what_to_give(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"providers.{name}.base_url") as refused:
        build(name)
    assert hint in refused.value.message


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(ConfigError, match="anthropic, gemini, openai, responses"):
        build("mine", base_url="http://127.0.0.1:1", dialect="soap")


def test_settings_win_over_the_row() -> None:
    row = resolve(
        "openai", dialect="responses", base_url="http://127.0.0.1:1/v1", api_key_env="MY_KEY"
    )
    assert (row.dialect, row.base_url, row.api_key_env) == (
        "responses",
        "http://127.0.0.1:1/v1",
        "MY_KEY",
    )
    assert wire_format(row).name == "responses"


def test_an_unknown_host_is_a_compatible_one_with_the_quirks_it_is_given() -> None:
    plain = resolve("mine", base_url="http://127.0.0.1:1/v1")
    assert wire_format(plain) == OpenAIFormat()
    engine = resolve("fast", base_url="http://127.0.0.1:1/v1", like="vllm")
    assert engine.name == "fast"
    assert wire_format(engine) == OpenAIFormat(ROWS["vllm"].quirks)
