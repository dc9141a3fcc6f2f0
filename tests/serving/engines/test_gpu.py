"""Sharing cards among models: nothing overflows, and what cannot fit is refused with a way out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigError
from serving.engines.gpu import (
    GIB,
    KNOWN,
    Demand,
    Footprint,
    Gpu,
    Share,
    fits,
    parse_gpus,
    share_out,
)

MIB = 1024**2
FAST = "Qwen/Qwen2.5-7B-Instruct"
SMALL = "Qwen/Qwen2.5-7B-Instruct-AWQ"
JUDGE = "Qwen/Qwen2.5-3B-Instruct"


def card(gib: float, *, index: int = 0, used: float = 0.0) -> Gpu:
    total = int(gib * GIB)
    return Gpu(index=index, name=f"{gib:g} GiB card", total=total, free=total - int(used * GIB))


def fast(model: str = FAST) -> Demand:
    return Demand(model=model, footprint=KNOWN[model], least_tokens=8192)


def judge() -> Demand:
    return Demand(model=JUDGE, footprint=KNOWN[JUDGE], least_tokens=8192, most_tokens=32768)


def test_nvidia_smi_is_read() -> None:
    assert parse_gpus("0, NVIDIA H100 80GB HBM3, 81559, 81008\n1, NVIDIA L4, 23034, 400\n") == (
        Gpu(index=0, name="NVIDIA H100 80GB HBM3", total=81559 * MIB, free=81008 * MIB),
        Gpu(index=1, name="NVIDIA L4", total=23034 * MIB, free=400 * MIB),
    )


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "0, NVIDIA GB10, [N/A], [N/A]",
    ],
    ids=["nothing", "failure", "unified-memory"],
)
def test_what_nvidia_smi_cannot_tell_is_no_card(answer: str) -> None:
    assert parse_gpus(answer) == ()


@pytest.mark.parametrize(
    ("gib", "demands", "fit"),
    [
        (80, [fast(), judge()], True),
        (48, [fast(), judge()], True),
        (40, [fast(), judge()], True),
        (24, [fast(), judge()], False),
        (24, [fast()], True),
        (22.5, [fast()], True),
        (16, [fast()], False),
        (16, [fast(SMALL)], True),
        (12, [fast(SMALL)], True),
        (24, [fast(SMALL), judge()], True),
        (6, [fast(SMALL)], False),
    ],
)
def test_which_models_fit_which_card(gib: float, demands: list[Demand], fit: bool) -> None:
    assert fits(demands, [card(gib)]) is fit


def test_two_models_on_one_large_card() -> None:
    small, large = share_out([judge(), fast()], [card(80)])
    # The judge gets what it can use, the fast tier the whole rest as KV cache.
    assert small == Share(gpu=0, utilization=0.104, tokens=32768)
    assert 0.83 <= large.utilization <= 0.86
    assert large.tokens > 900_000


def test_the_largest_model_takes_the_emptiest_card() -> None:
    cards = [card(24, index=0, used=12), card(24, index=1)]
    assert [share.gpu for share in share_out([judge(), fast()], cards)] == [0, 1]


def test_memory_that_others_use_is_not_given_away() -> None:
    assert not fits([fast()], [card(24, used=7)])
    (share,) = share_out([fast()], [card(80, used=40)])
    assert share.utilization < 0.5


def test_a_refusal_names_numbers_and_ways_out() -> None:
    with pytest.raises(ConfigError) as refusal:
        share_out([fast(), judge()], [card(24)])
    sentence = refusal.value.message
    assert "Qwen/Qwen2.5-3B-Instruct needs" in sentence
    assert "beside Qwen/Qwen2.5-7B-Instruct" in sentence
    assert "GPU 0 (24 GiB card) has 24.0 of 24.0 GiB free" in sentence
    assert '[classifier] model = "embedding"' in sentence
    assert "Qwen/Qwen2.5-7B-Instruct-AWQ" in sentence
    assert "[fast] url" in sentence


footprints = st.builds(
    Footprint,
    weights=st.integers(GIB // 4, 80 * GIB),
    kv_per_token=st.integers(1024, 512 * 1024),
    window=st.just(32768),
)
demand_lists = st.lists(
    st.builds(
        Demand,
        model=st.just("some/model"),
        footprint=footprints,
        least_tokens=st.integers(1024, 32768),
        most_tokens=st.one_of(st.none(), st.integers(1024, 131072)),
    ),
    min_size=1,
    max_size=4,
)
card_lists = st.lists(st.tuples(st.integers(6, 192), st.integers(0, 96)), min_size=1, max_size=4)


@given(demand_lists, card_lists)
def test_shares_never_overflow_a_card(demands: list[Demand], sizes: list[tuple[int, int]]) -> None:
    cards = [
        card(total, index=index, used=min(used, total)) for index, (total, used) in enumerate(sizes)
    ]
    try:
        shares = share_out(demands, cards)
    except ConfigError:
        return
    for demand, share in zip(demands, shares, strict=True):
        assert share.tokens >= demand.least_tokens
        assert demand.footprint.needs(share.tokens) <= share.utilization * cards[share.gpu].total
        if demand.most_tokens is not None:
            assert share.tokens <= max(demand.least_tokens, demand.most_tokens)
    for gpu in cards:
        given_away = sum(share.utilization for share in shares if share.gpu == gpu.index)
        assert given_away * gpu.total <= gpu.free
