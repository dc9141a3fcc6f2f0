"""Seams as models make them: some 350 pairs of a transcript and a reply, in data/splices.toml."""

from __future__ import annotations

import random
import statistics
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from router.seam.splice import Splice

_FEW_WORDS = 50  # characters: what may wait at a seam, the beginning of a repetition included


@dataclass(frozen=True)
class Pair:
    """One record of the data file."""

    id: str
    language: str
    shows: str
    mode: Literal["instruction", "prefill"]
    cut: Literal["sentence", "anywhere"]
    transcript: str
    reply: str
    joined: str

    @property
    def dropped(self) -> int:
        """How much of the reply is not shown."""
        return max(len(self.transcript) + len(self.reply) - len(self.joined), 0)

    def join(self, pieces: Iterable[str]) -> str:
        """What the client reads when the reply comes in these pieces."""
        return self.transcript + "".join(text for text, _ in self._shown(pieces))

    def held(self) -> int:
        """How many characters of the reply came before the first of it was shown."""
        return next((seen for text, seen in self._shown(self.reply) if text), len(self.reply))

    def waited(self) -> int:
        """How many of those were shown in the end."""
        return self.held() - self.dropped

    def _shown(self, pieces: Iterable[str]) -> Iterator[tuple[str, int]]:
        splice = Splice(
            self.transcript, exact=self.mode == "prefill", after_sentence=self.cut == "sentence"
        )
        seen = 0
        for piece in pieces:
            seen += len(piece)
            text = splice.feed(piece)
            if text is not None:
                yield text, seen
        yield splice.finish(), seen


_DATA = tomllib.loads((Path(__file__).parent / "data" / "splices.toml").read_text())
PAIRS = [Pair(**record) for record in _DATA["pair"]]


def _pieces(text: str, chance: random.Random) -> Iterator[str]:
    while text:
        size = chance.choice((1, 1, 2, 3, 5, 8, 20))
        yield text[:size]
        text = text[size:]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_pair(pair: Pair) -> None:
    assert pair.join([pair.reply]) == pair.joined, pair.shows
    assert pair.join(pair.reply) == pair.joined, "one character at a time"
    for seed in range(5):
        assert pair.join(_pieces(pair.reply, random.Random(seed))) == pair.joined, seed


def test_all_of_them_are_right_in_every_language() -> None:
    right, all_pairs = Counter[str](), Counter(pair.language for pair in PAIRS)
    right.update(pair.language for pair in PAIRS if pair.join([pair.reply]) == pair.joined)
    for language, number in all_pairs.most_common():
        print(f"{language:12} {right[language]:4} of {number}")
    assert right == all_pairs


def test_little_is_held_and_not_for_long() -> None:
    held = [pair.held() for pair in PAIRS]
    waited = sorted(pair.waited() for pair in PAIRS)
    plain = [pair.held() for pair in PAIRS if pair.reply and pair.dropped == 0]
    print(f"held: median {statistics.median(held)}, longest {max(held)}")
    print(f"shown after a wait: median {statistics.median(waited)}, longest {waited[-1]}")
    print(f"nothing to trim: median {statistics.median(plain)}, longest {max(plain)}")
    assert statistics.median(waited) <= 3
    assert statistics.median(plain) <= 6
    assert waited[-1] <= _FEW_WORDS
    assert max(plain) <= _FEW_WORDS


def test_the_pairs_are_many_and_varied() -> None:
    assert len(PAIRS) >= 200
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    spoken = {"en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "ko", "it", "pt", "nl", "pl"}
    assert spoken <= {pair.language for pair in PAIRS}
    kinds = Counter(pair.id.split("-")[0] for pair in PAIRS)
    assert min(kinds[kind] for kind in ("code", "list", "table", "heading", "link", "emoji")) >= 10
