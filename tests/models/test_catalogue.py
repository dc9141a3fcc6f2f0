"""The catalogue holds what its sources say, resolves names, and refuses a wrong row."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.card import Abilities, ModelCard, Price, Rates
from models.catalogue import Catalogue, check_names, parse
from models.errors import ConfigError, ModelNotFound
from models.prices import rates_at

SHARED = Path(__file__).parents[3] / "shared" / "catalogue.json"
CATALOGUE = Catalogue.load()
PREFILL_FORMS = {
    "anthropic": "assistant_turn",
    "groq": "assistant_turn",
    "openrouter": "assistant_turn",
    "deepseek": "prefix_flag",
    "mistral": "prefix_flag",
    "gemini": "model_turn",
    "local": "continue_final_message",
}
# Their ids are served by other models within days, which refuse prefill (see gemini.toml).
PREFILL_ENDS_SOON = {"gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash"}
RATE_NAMES = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_write_5m": "cache_write",
    "cache_write_1h": "cache_write_1h",
}
ABILITY_NAMES = {
    "vision": "vision",
    "pdf": "documents",
    "audio_in": "audio",
    "video_in": "video",
    "tools": "tools",
    "parallel_tools": "parallel_tools",
    "forced_tool_choice": "forced_tool_choice",
    "json_schema": "json_schema",
    "json_mode": "json_object",
    "reasoning": "reasoning",
    "reasoning_always_on": "reasoning_always_on",
    "sampling_params": "sampling",
    "prompt_cache_min_tokens": "prompt_cache_min_tokens",
}
PEAK = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # a Tuesday, 10:00 in Beijing
NIGHT = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)


def collected_models() -> list[Any]:
    """The collected facts beside the checkout, where they are."""
    return json.loads(SHARED.read_text())["models"] if SHARED.exists() else []


@pytest.mark.skipif(not SHARED.exists(), reason="the collected facts are not beside this checkout")
def test_every_collected_model_is_here_with_its_window_and_prices() -> None:
    for fact in collected_models():
        card = CATALOGUE.find(f"{fact['provider']}/{fact['id']}")
        assert card is not None, fact["id"]
        assert card.window == fact["context_window"], card.name
        assert set(fact.get("aliases") or ()) <= set(card.aliases), card.name
        _check_prices(card.name, fact["price_usd_per_mtok"])
        _check_abilities(card.name, fact["capabilities"])


def _check_prices(name: str, rates: dict[str, Any] | None) -> None:
    if rates is None:
        assert CATALOGUE.card(name).prices == ()
        return
    _check_rates(name, rates, PEAK, 1_000)
    if rates.get("off_peak"):
        _check_rates(name, rates["off_peak"], NIGHT, 1_000)
    for band in rates.get("long_prompt_tiers") or ():
        _check_rates(name, band, PEAK, band["prompt_tokens_over"] + 1)
    scheduled = rates.get("scheduled")
    if scheduled and "from_date" in scheduled:
        begin = datetime.fromisoformat(scheduled["from_date"]).replace(tzinfo=UTC)
        _check_rates(name, scheduled, begin, 1_000)


def _check_rates(name: str, wanted: dict[str, Any], at: datetime, prompt: int) -> None:
    rates = rates_at(CATALOGUE.card(name), at, prompt)
    assert rates is not None, name
    for theirs, ours in RATE_NAMES.items():
        expected = None if wanted.get(theirs) is None else Decimal(str(wanted[theirs]))
        assert getattr(rates, ours) == expected, (name, ours, at, prompt)


def _check_abilities(name: str, facts: dict[str, Any]) -> None:
    abilities = CATALOGUE.card(name).abilities
    form = PREFILL_FORMS[name.partition("/")[0]] if facts["prefill"] else "none"
    assert abilities.prefill == ("none" if name in PREFILL_ENDS_SOON else form), name
    for theirs, ours in ABILITY_NAMES.items():
        if facts.get(theirs) is not None:
            assert getattr(abilities, ours) == facts[theirs], (name, ours)
    assert abilities.efforts == tuple(facts.get("efforts") or ()), name


def test_models_that_the_collected_facts_lack() -> None:
    demo = CATALOGUE.card("local/HuggingFaceTB/SmolLM2-135M-Instruct")
    assert (demo.window, demo.known) == (8192, True)
    assert demo.abilities == Abilities(
        prefill="continue_final_message",
        logprobs=True,
        tools=False,
        parallel_tools=False,
        forced_tool_choice=False,
    )
    mistral = CATALOGUE.card("openrouter/mistralai/mistral-small-3.2-24b-instruct")
    assert mistral.prices[0].rates == Rates(input=Decimal("0.075"), output=Decimal("0.20"))
    retired = CATALOGUE.card("mistral/mistral-small-2506")
    assert (retired.status, retired.retires) == ("retired", date(2026, 7, 31))
    assert not [card for card in CATALOGUE.cards() if card.provider == "tokenmix"]


def test_every_card_names_its_sources_and_the_day_it_was_checked() -> None:
    for card in CATALOGUE.cards():
        assert card.sources, card.name
        assert card.checked == date(2026, 11, 24), card.name


def test_the_default_deep_models_are_equals_of_each_other() -> None:
    deep = {"anthropic/claude-sonnet-5-5", "gemini/gemini-4-argon", "deepseek/deepseek-v4-pro"}
    for name in deep:
        assert deep - {name} <= set(CATALOGUE.card(name).equals)


def test_newer_claude_models_never_get_a_prefill() -> None:
    prefilled = {
        card.id
        for card in CATALOGUE.cards()
        if card.provider == "anthropic" and card.abilities.prefill != "none"
    }
    assert prefilled == {
        "claude-opus-4-5",
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
        "claude-opus-4-20250514",
    }


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("claude-opus-5-5", "anthropic/claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
        ("deepseek/deepseek-v4-flash", "deepseek/deepseek-flash"),
        ("openrouter/qwen/qwen-2.5-72b-instruct", "openrouter/qwen/qwen-2.5-72b-instruct"),
        ("local/Qwen/Qwen2.5-7B-Instruct", "local/Qwen/Qwen2.5-7B-Instruct"),
    ],
)
def test_names_and_aliases_resolve(name: str, card: str) -> None:
    assert CATALOGUE.card(name).name == card


@pytest.mark.parametrize("name", ["openai/gpt-oss-120b", "gpt-9", "anthropic/", "/x", ""])
def test_a_name_of_another_provider_or_of_none_is_not_found(name: str) -> None:
    assert CATALOGUE.find(name) is None


def test_an_unknown_model_gets_a_conservative_card() -> None:
    card = CATALOGUE.card("openai/gpt-oss-120b")
    assert (card.provider, card.id, card.known) == ("openai", "gpt-oss-120b", False)
    assert (card.prices, card.window, card.abilities) == ((), None, Abilities())


def test_an_unlisted_claude_is_never_sent_sampling_parameters() -> None:
    assert CATALOGUE.card("anthropic/claude-sonnet-9").abilities == Abilities(sampling=False)


def test_an_unlisted_local_model_has_what_the_engine_gives_every_model() -> None:
    card = CATALOGUE.card("local/acme/tiny-1b")
    assert (card.name, card.known) == ("local/acme/tiny-1b", False)
    assert card.abilities.prefill == "continue_final_message"
    assert card.abilities.logprobs
    assert not card.abilities.tools


def test_a_bare_unknown_name_is_refused_with_near_names() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean anthropic/claude-sonnet-5"):
        CATALOGUE.card("claude-sonet-5")


def test_near_names_are_full_names_without_repeats() -> None:
    near = CATALOGUE.near("Claude-Haiku-4.5", n=3)
    assert near[0] == "anthropic/claude-haiku-4-5"
    assert len(near) == len(set(near)) == 3
    assert CATALOGUE.near("xyzzy") == []


def test_a_configured_card_replaces_or_adds_without_changing_the_packaged_one() -> None:
    packaged = CATALOGUE.card("gemini/gemini-4-argon")
    changed = CATALOGUE.with_card(replace(packaged, window=5, aliases=("argon",)))
    assert changed.card("gemini/argon").window == 5
    assert len(changed.cards()) == len(CATALOGUE.cards())
    assert CATALOGUE.card("gemini/gemini-4-argon") is packaged
    added = CATALOGUE.with_card(replace(packaged, provider="myhost", id="m"))
    assert added.card("myhost/m").known
    assert not added.card("local/other").abilities.tools


GOOD = """
checked = 2026-11-24
[sources]
page = "a page, 2026"
[abilities]
vision = true
[[models]]
id = "m-1"
sources = ["page"]
abilities = { vision = false, efforts = ["low"] }
prices = [{ since = 2026-01-02, input = 0.1, output = 1 }]
"""


def test_a_file_becomes_cards() -> None:
    cards, unlisted = parse(GOOD, "host.toml")
    assert unlisted is None
    (card,) = cards
    assert card.name == "host/m-1"
    assert card.abilities == Abilities(efforts=("low",))
    assert card.sources == ("a page, 2026",)
    assert card.prices == (
        Price(rates=Rates(input=Decimal("0.1"), output=Decimal(1)), since=date(2026, 1, 2)),
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"page"]', '"pages"]', "m-1: sources .'pages'. are not in"),
        ("vision = false", "visoin = false", "m-1: no such ability: visoin"),
        ("vision = false", "vision = 3", "m-1: abilities: Expected `bool`"),
        ("input = 0.1", "imput = 0.1", "m-1: .*unknown field `imput`"),
        ('id = "m-1"', 'id = "m-1"\nstatus = "gone"', "m-1: Invalid enum value 'gone'"),
        ("checked = 2026-11-24", "", "missing required field `checked`"),
        ("[sources]", "[sources", "line 3"),
    ],
)
def test_a_wrong_row_is_a_config_error_with_file_and_model(
    right: str, wrong: str, said: str
) -> None:
    assert right in GOOD
    with pytest.raises(ConfigError, match=rf"models/data/host\.toml: .*{said}"):
        parse(GOOD.replace(right, wrong), "host.toml")


def test_a_name_that_is_listed_twice_is_a_config_error() -> None:
    first = ModelCard(provider="host", id="m", aliases=("n",))
    with pytest.raises(ConfigError, match="listed twice: host/n"):
        check_names([first, ModelCard(provider="host", id="n")])


@pytest.mark.parametrize("equal", ["other/missing", "host/m"])
def test_an_equal_that_is_missing_or_at_the_same_provider_is_a_config_error(equal: str) -> None:
    cards = [
        ModelCard(provider="host", id="m"),
        ModelCard(provider="host", id="x", equals=(equal,)),
    ]
    with pytest.raises(ConfigError, match=f"host.toml: x: {equal} is not"):
        check_names(cards)
