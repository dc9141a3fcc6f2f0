"""Whom we can ask, from settings and keys."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from inline_snapshot import snapshot

from models.card import ModelCard
from models.chat import ChatRequest
from models.errors import ConfigError, Unsupported
from models.stream import Finished, StreamEvent
from router.fleet import Fleet
from serving.settings import Settings
from serving.upstreams import Greedy, LocalModel, Upstreams, build_fleet, plan_upstreams

pytestmark = pytest.mark.anyio

ENGINE = LocalModel(model="Qwen/Qwen2.5-7B-Instruct", uds="/run/fast.sock", window=8_192)


def settings(**fields: Any) -> Settings:
    return Settings(**fields)


def planned(env: Mapping[str, str] | None = None, **fields: Any) -> Upstreams:
    return plan_upstreams(settings(**fields), env or {})


def fleet(env: Mapping[str, str] | None = None, **fields: Any) -> Fleet:
    return build_fleet(planned(env, **fields), ENGINE, settings(**fields), env or {})


def test_a_key_makes_a_provider_usable_and_a_missing_one_is_named() -> None:
    upstreams = planned({"DEEPSEEK_API_KEY": "k"})

    assert upstreams.usable_order == ("deepseek/deepseek-v4-pro",)
    assert not upstreams.stands_in
    assert upstreams.unusable["anthropic"] == "set ANTHROPIC_API_KEY"
    assert upstreams.unusable["litellm"] == snapshot(
        "it needs the address of your LiteLLM proxy, e.g. http://127.0.0.1:4000/v1 as [providers.litellm] base_url"
    )


async def test_hosted_models_are_those_of_the_orders_and_of_every_provider_with_a_key() -> None:
    env = {"DEEPSEEK_API_KEY": "k", "GROQ_API_KEY": "k"}
    upstreams = planned(env, deep={"order": ["deepseek/brand-new"]})
    hosted = build_fleet(upstreams, None, settings(), env).view().hosted

    assert next(iter(hosted)) == "deepseek/brand-new"
    assert not hosted["deepseek/brand-new"].card.known
    assert {"deepseek/deepseek-v4-pro"} < hosted.keys()
    assert {target.provider for target in hosted.values()} == {"deepseek", "groq"}


async def test_the_engine_is_the_fast_tier_with_the_window_it_runs_with() -> None:
    fast = fleet({"DEEPSEEK_API_KEY": "k"}).fast

    assert fast is not None
    assert fast.name == "local/Qwen/Qwen2.5-7B-Instruct"
    assert fast.local
    assert fast.card.window == 8_192
    assert fast.card.abilities.prefill == "continue_final_message"


async def test_without_any_key_the_engine_stands_in_through_the_real_adapters() -> None:
    hosted = fleet().view().hosted

    assert {name: (t.provider, t.stands_in_for, t.local) for name, t in hosted.items()} == snapshot(
        {
            "anthropic/claude-sonnet-5-5": (
                "stand-in-anthropic",
                "anthropic/claude-sonnet-5-5",
                True,
            ),
            "gemini/gemini-4-argon": ("stand-in", "gemini/gemini-4-argon", True),
            "deepseek/deepseek-v4-pro": ("stand-in", "deepseek/deepseek-v4-pro", True),
        }
    )
    claude = hosted["anthropic/claude-sonnet-5-5"]
    assert claude.card.abilities.prefill == "none"
    assert claude.card.id == "Qwen/Qwen2.5-7B-Instruct"


async def test_a_model_of_a_provider_without_a_key_says_what_to_set() -> None:
    upstreams = planned({"DEEPSEEK_API_KEY": "k"})
    asked = build_fleet(upstreams, ENGINE, settings(), {"DEEPSEEK_API_KEY": "k"})
    with pytest.raises(Unsupported, match="set ANTHROPIC_API_KEY"):
        asked.pinned("anthropic/claude-sonnet-5-5", upstreams.catalogue)


def test_nobody_to_ask_and_no_stand_in_stops_start_up() -> None:
    with pytest.raises(ConfigError) as caught:
        planned(deep={"stand_in": False})
    assert caught.value.message == snapshot(
        "No model in [deep] can be asked (anthropic: set ANTHROPIC_API_KEY; gemini: set GEMINI_API_KEY; deepseek: set DEEPSEEK_API_KEY), and stand_in is false. Set one of these, or let the local engine stand in with `stand_in = true` in [deep]."
    )


def test_no_deep_tier_at_all_is_a_choice() -> None:
    assert planned(deep={"order": [], "stand_in": False}).order == ()


def test_a_host_of_ones_own() -> None:
    host = {"base_url": "http://127.0.0.1:1/v1"}
    name = "myhost/my-model"

    upstreams = planned(
        providers={"myhost": host},
        deep={"order": [name]},
        models={name: {"window": 4096, "prefill": True, "tools": False, "input_usd_per_mtok": 0.1}},
    )

    card = upstreams.catalogue.card(name)
    assert upstreams.usable_order == (name,)
    assert (card.window, card.abilities.prefill, card.abilities.tools) == (
        4096,
        "assistant_turn",
        False,
    )
    assert card.prices[0].rates.input == Decimal("0.1")
    assert card.known


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"providers\.myhost\.base_url is not set"):
        planned(deep={"order": ["myhost/my-model"]})


def test_a_correction_keeps_the_rest_of_our_card() -> None:
    name = "deepseek/deepseek-v4-pro"
    ours, theirs = (
        plan_upstreams(settings(models=models), {}).catalogue.card(name)
        for models in ({}, {name: {"max_output": 1000}})
    )
    assert theirs.max_output == 1000
    assert theirs.prices == ours.prices
    assert theirs.abilities == ours.abilities


def test_prefill_can_be_denied() -> None:
    name = "deepseek/deepseek-v4-pro"
    card = planned(models={name: {"prefill": False}}).catalogue.card(name)
    assert card.abilities.prefill == "none"


class Asked:
    """A provider that remembers the temperature it was asked for."""

    name = "engine"

    def __init__(self) -> None:
        self.temperatures: list[float | None] = []
        self.closed = False

    async def stream(
        self, request: ChatRequest, card: ModelCard, *, streaming: bool = True
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        self.temperatures.append(request.temperature)
        yield [Finished("stop")]

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("always", "asked", "sent"),
    [(True, 0.9, 0.0), (True, None, 0.0), (False, None, 0.0), (False, 0.9, 0.9)],
)
async def test_a_small_model_does_not_ramble(
    always: bool, asked: float | None, sent: float
) -> None:
    inner = Asked()
    greedy = Greedy(inner, always=always)
    card = ModelCard(provider="local", id="m")
    request = ChatRequest(model="m", messages=(), temperature=asked)

    batches = [batch async for batch in greedy.stream(request, card)]
    await greedy.aclose()

    assert batches == [[Finished("stop")]]
    assert inner.temperatures == [sent]
    assert inner.closed
