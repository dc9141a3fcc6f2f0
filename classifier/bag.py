"""A text as a bag of hashed words and pairs of neighbours, from its whole length. Pure.

The embedding reads some tens of word pieces at a text's ends; this sees what stands between, and the
exact words. Digits are all alike, marks are words of their own.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Bag: TypeAlias = NDArray[np.int64]  # buckets, rising, each once

BUCKETS: Final = 1 << 17
_MOST_WORDS: Final = 500  # at either end, so that no text takes long
_DIGITS: Final = bytes(ord("0") if chr(i).isdigit() and i < 128 else i for i in range(256))
_WORD = re.compile(rb"[a-z\x80-\xff]+|0{1,3}|\S")
# Odd constants and a shift that spread a pair's two hashes over all bits.
_FIRST, _MIX, _SHIFT = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B), np.uint32(13)

_SHAPE = (BUCKETS, _MOST_WORDS, _WORD.pattern, int(_FIRST), int(_MIX), int(_SHIFT))
BAG_DIGEST = f"{crc32(repr(_SHAPE).encode()):08x}"  # weights of words fit only these buckets


def bag(text: str) -> Bag:
    """The buckets of its words and pairs of words; none for a text without any."""
    plain = text.lower().encode("utf-8", "replace").translate(_DIGITS)
    words = _WORD.findall(plain)
    if len(words) > 2 * _MOST_WORDS:
        words = words[:_MOST_WORDS] + words[-_MOST_WORDS:]
    single = np.array([*map(crc32, words)], np.uint32)
    pairs = (single[:-1] * _FIRST ^ single[1:]) * _MIX
    pairs ^= pairs >> _SHIFT
    return np.unique(np.concatenate([single, pairs]) & np.uint32(BUCKETS - 1)).astype(np.int64)
