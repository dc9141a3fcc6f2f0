"""What a client's word for a model means."""

import pytest

from models.errors import ModelNotFound
from router.names import BUILT_IN_ALIASES, Resolved, resolve

MODELS = ("anthropic/claude-sonnet-5-5", "deepseek/deepseek-v4-pro", "openrouter/qwen/qwen3-max")
PROVIDERS = ("anthropic", "deepseek", "openrouter", "myhost")


def meaning(name: str, **aliases: str) -> Resolved:
    return resolve(name, models=MODELS, providers=PROVIDERS, aliases=aliases)


@pytest.mark.parametrize("mode", ["auto", "fast", "deep"])
def test_modes_mean_themselves(mode: str) -> None:
    assert meaning(mode, **{"*": "deepseek/deepseek-v4-pro"}) == Resolved(mode)  # pyright: ignore[reportArgumentType]


def test_a_full_name_pins_the_model() -> None:
    found = meaning("openrouter/qwen/qwen3-max")
    assert (found.target, found.provider) == ("openrouter/qwen/qwen3-max", "openrouter")


def test_a_known_host_may_have_models_that_no_catalogue_lists() -> None:
    assert meaning("myhost/brand-new").target == "myhost/brand-new"


@pytest.mark.parametrize(
    "name", ["gpt-5.6-mini", "claude-opus-4-8", "GPT-4o", "o3", "gemini-4-pro"]
)
def test_clients_that_insist_on_a_vendors_name_get_our_choice(name: str) -> None:
    assert meaning(name).mode == "auto"
    assert meaning(name).target == ""


def test_a_users_alias_wins_over_the_built_in_ones_and_over_full_names() -> None:
    pinned = "deepseek/deepseek-v4-pro"
    assert meaning("claude-opus-4-8", **{"claude-*": pinned}) == Resolved("deep", pinned)
    assert meaning(MODELS[0], **{"anthropic/*": "fast"}) == Resolved("fast")


def test_the_first_alias_that_fits_wins() -> None:
    assert meaning("gpt-4o", **{"gpt-4*": "fast", "gpt-*": "deep"}).mode == "fast"
    assert meaning("gpt-4o", **{"gpt-*": "deep", "gpt-4*": "fast"}).mode == "deep"


def test_a_loop_of_aliases_ends() -> None:
    with pytest.raises(ModelNotFound, match="The alias `a` stands for `b`"):
        meaning("a", a="b", b="a")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("deepseek-v4-pro", "Did you mean `deepseek/deepseek-v4-pro`?"),
        ("antropic/claude-sonnet-5-5", "Did you mean `anthropic/claude-sonnet-5-5`?"),
        ("atuo", "Did you mean `auto`?"),
        ("zzz", "Ask for `auto`, `fast`, `deep`, or a `provider/model` from /v1/models."),
        ("", "Ask for `auto`"),
        ("anthropic/", "Ask for `auto`"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        meaning(name)
    assert near in caught.value.message
    assert caught.value.param == "model"


def test_built_in_aliases_all_mean_something() -> None:
    for pattern in BUILT_IN_ALIASES:
        assert meaning(pattern.replace("*", "x"))
