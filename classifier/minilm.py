"""MiniLM-L6 as a handful of torch calls.

Most of what a decision takes is spent here. A general BERT takes a quarter longer on one short text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # importing this file does not import torch
    import torch

Step: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"

_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_EPSILON = 1e-12
_QKV = ("query", "key", "value")


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Step
    out: Step
    out_norm: Step
    up: Step
    down: Step
    down_norm: Step


class MiniLm:
    """The model, its weights laid out for few and large products."""

    def __init__(self, weights: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
        """`weights` as the safetensors file names them."""
        own = {
            name: tensor.to(dtype) for name, tensor in weights.items() if "position_ids" not in name
        }
        self._words = own["embeddings.word_embeddings.weight"]
        types = own["embeddings.token_type_embeddings.weight"]
        self._positions = own["embeddings.position_embeddings.weight"] + types[0]
        self._norm = _norm(own, "embeddings.LayerNorm")
        self._layers = [_layer(own, f"encoder.layer.{number}") for number in range(_LAYERS)]

    def embed(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The mean of the token vectors of each row of token ids, at length 1."""
        import torch
        from torch.nn.functional import normalize

        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        sizes = torch.tensor([len(row) for row in rows])
        here = torch.arange(width)[None] < sizes[:, None]
        with torch.inference_mode():
            hidden = self._hidden(ids, None if len(rows) == 1 else here[:, None, None]).float()
            mean = (hidden * here[..., None]).sum(1) / sizes[:, None]
            return normalize(mean).numpy()

    def _hidden(self, ids: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        from torch.nn.functional import gelu, scaled_dot_product_attention

        count, width = ids.shape
        hidden = self._norm(self._words[ids] + self._positions[:width])
        for layer in self._layers:
            split = layer.qkv(hidden).view(count, width, 3, _HEADS, -1)
            query, key, value = split.permute(2, 0, 3, 1, 4)
            mixed = scaled_dot_product_attention(query, key, value, seen).transpose(1, 2)
            hidden = layer.out_norm(hidden + layer.out(mixed.reshape(count, width, _WIDTH)))
            hidden = layer.down_norm(hidden + layer.down(gelu(layer.up(hidden))))
        return hidden


def _layer(own: Mapping[str, torch.Tensor], name: str) -> _Layer:
    import torch

    def product(part: str) -> Step:
        return _dense(own[f"{name}.{part}.weight"], own[f"{name}.{part}.bias"])

    qkv = (
        torch.cat([own[f"{name}.attention.self.{part}.{kind}"] for part in _QKV])
        for kind in ("weight", "bias")
    )
    return _Layer(
        qkv=_dense(*qkv),
        out=product("attention.output.dense"),
        out_norm=_norm(own, f"{name}.attention.output.LayerNorm"),
        up=product("intermediate.dense"),
        down=product("output.dense"),
        down_norm=_norm(own, f"{name}.output.LayerNorm"),
    )


def _norm(own: Mapping[str, torch.Tensor], name: str) -> Step:
    from torch.nn.functional import layer_norm

    weight, bias = own[f"{name}.weight"], own[f"{name}.bias"]
    return lambda x: layer_norm(x, [_WIDTH], weight, bias, _EPSILON)


def _dense(weight: torch.Tensor, bias: torch.Tensor) -> Step:
    from torch.nn.functional import linear

    return lambda x: linear(x, weight, bias)
