"""Grapheme clusters: what a cut must not run through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import graphemes

_CLUSTERS = [
    "e\u0301",  # a letter and its mark
    "o\u0302\u0323",
    "\r\n",
    "❤\ufe0f",  # a picture in colour
    "1\ufe0f\u20e3",  # a keycap
    "👍🏽",
    "👩\u200d💻",
    "👨\u200d👩\u200d👧\u200d👦",
    "🏳\ufe0f\u200d🌈",
    "🇫🇷",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
    "\u1112\u1161\u11ab",  # a Hangul syllable in its parts
    "하\u11ab",
    "한",
    "क\u094dष",  # a Devanagari conjunct
    "हि",
    "நி",
    "ক\u09cdষ",
    "กำ",
    "ｶﾞ",
    "\u0600١",  # an Arabic number sign and its digit
]


def _clusters(text: str) -> list[str]:
    ends = [at for at in range(1, len(text) + 1) if not graphemes.joined(text, at)]
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("cluster", _CLUSTERS)
def test_a_cluster_is_whole_and_ends(cluster: str) -> None:
    assert _clusters(cluster) == [cluster]
    assert _clusters(f"a{cluster}b") == ["a", cluster, "b"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("🇫🇷🇩🇪🇨", ["🇫🇷", "🇩🇪", "🇨"]),
        ("👩💻", ["👩", "💻"]),
        ("a\u200d💻", ["a\u200d", "💻"]),
        ("한국", ["한", "국"]),
        ("각\u1100", ["각", "\u1100"]),
        ("\n\u0301", ["\n", "\u0301"]),
        ("म\u094d a", ["म\u094d", " ", "a"]),
        ("a\u200bb", ["a", "\u200b", "b"]),
    ],
)
def test_neighbours_are_apart(text: str, parts: list[str]) -> None:
    assert _clusters(text) == parts


@given(st.lists(st.sampled_from(_CLUSTERS), max_size=8), st.data())
def test_the_floor_is_where_a_cluster_ends(clusters: list[str], data: st.DataObject) -> None:
    text = " ".join(clusters)
    at = data.draw(st.integers(0, len(text)))
    floor = graphemes.floor(text, at)
    assert 0 <= floor <= at
    assert not graphemes.joined(text, floor)
    assert _clusters(text[:floor]) == _clusters(text)[: len(_clusters(text[:floor]))]
