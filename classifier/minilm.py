"""MiniLM-L6's lower layers as an ONNX graph in eight-bit integers.

Most of what a decision takes is spent here. Integers are twice as fast as bfloat16 on one core; a run
is one call without the interpreter's lock, so that the event loop goes on beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

runtime: Any = onnxruntime  # its own annotations are half there

Floats: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = Mapping[str, Floats]

_HEADS, _WIDTH = 12, 384
_EPSILON = 1e-12
# Seven of the eight bits: with all of them, processors without VNNI instructions overflow.
# https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html ("reduce_range")
_STEPS = 63
_UNSEEN = -1e4  # added to the attention between tokens of different texts
_QKV = ("query", "key", "value")


class MiniLm:
    """The model, ready to run."""

    def __init__(self, weights: Weights, *, layers: int, threads: int) -> None:
        """`weights` as the safetensors file names them."""
        self._words = weights["embeddings.word_embeddings.weight"]
        types = weights["embeddings.token_type_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"] + types[0]
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # As it is: joining sum and norm, as it would, makes them four times slower.
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = runtime.InferenceSession(
            _Graph(weights, layers).build(), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, rows: Sequence[Sequence[int]]) -> Floats:
        """The mean of the token vectors of each row of token ids, at length 1; all rows in one run.

        A row sees only itself. What it costs grows with the tokens of all rows.
        """
        sizes = [len(row) for row in rows]
        row_of = np.repeat(np.arange(len(rows)), sizes)
        places = np.concatenate([np.arange(size) for size in sizes])
        words = self._words[np.concatenate([np.asarray(row) for row in rows])]
        mine = row_of == np.arange(len(rows))[:, None]
        apart = row_of[:, None] != row_of
        feed = {
            "tokens": (words + self._positions[places])[None],
            "attention": np.where(apart, np.float32(_UNSEEN), np.float32(0))[None, None],
            "rows": (mine / np.array(sizes)[:, None]).astype(np.float32)[None],
        }
        return self._session.run(["embeddings"], feed)[0][0]


class _Graph:
    """Builds the graph: `tokens` (1, n, width), `attention` (1, 1, n, n), `rows` (1, k, n) to `embeddings` (1, k, width).

    Its operators are ONNX's and those that ONNX Runtime adds for BERT models:
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """

    def __init__(self, weights: Weights, layers: int) -> None:
        self._weights = weights
        self._layers = layers
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def build(self) -> bytes:
        """The model file's bytes."""
        hidden = self._norm("embeddings.LayerNorm", "tokens")
        for number in range(self._layers):
            hidden = self._layer(f"encoder.layer.{number}", hidden)
        self._node("MatMul", ["rows", hidden], "means", own=False)
        self._node("LpNormalization", ["means"], "embeddings", own=False, axis=-1, p=2)
        graph = helper.make_graph(
            self._nodes,
            "minilm",
            [
                _described("tokens", "n", _WIDTH),
                _described("attention", 1, "n", "n"),
                _described("rows", "k", "n"),
            ],
            [_described("embeddings", "k", _WIDTH)],
            self._constants,
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()

    def _layer(self, name: str, hidden: str) -> str:
        weight, bias = self._joined(name, "weight"), self._joined(name, "bias")
        split = [f"{name}.{part}" for part in _QKV]
        joined = self._product(f"{name}.qkv", hidden, weight, bias)
        self._nodes.append(helper.make_node("Split", [joined], split, axis=-1, num_outputs=3))
        inputs = [*split, "", "", "attention"]
        mixed = self._node("MultiHeadAttention", inputs, f"{name}.mixed", num_heads=_HEADS)
        out = self._dense(f"{name}.attention.output.dense", mixed)
        hidden = self._norm(f"{name}.attention.output.LayerNorm", self._sum(out, hidden))
        up = f"{name}.intermediate.dense"
        wide = self._product(up, hidden, self._weights[f"{up}.weight"])
        shift = self._constant(f"{up}.bias", self._weights[f"{up}.bias"])
        bent = self._node("BiasGelu", [wide, shift], f"{name}.bent")
        down = self._dense(f"{name}.output.dense", bent)
        return self._norm(f"{name}.output.LayerNorm", self._sum(down, hidden))

    def _joined(self, name: str, kind: str) -> Floats:
        """Query, key and value as one product."""
        return np.concatenate([self._weights[f"{name}.attention.self.{q}.{kind}"] for q in _QKV])

    def _dense(self, name: str, x: str) -> str:
        return self._product(
            name, x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        )

    def _product(self, name: str, x: str, weight: Floats, bias: Floats | None = None) -> str:
        """`x` in eight bits, scaled as it comes, times the weight in seven, a scale per output."""
        largest: Floats = np.abs(weight).max(axis=1)
        scale = np.maximum(largest / np.float32(_STEPS), np.float32(1e-8))
        whole: NDArray[np.int8] = np.rint(weight.T / scale).astype(np.int8)
        inputs = [
            x,
            self._constant(f"{name}.whole", whole),
            self._constant(f"{name}.scale", scale),
            self._constant(f"{name}.zero", np.zeros(scale.size, np.int8)),
        ]
        if bias is not None:
            inputs.append(self._constant(f"{name}.add", bias))
        return self._node("DynamicQuantizeMatMul", inputs, f"{name}.out")

    def _norm(self, name: str, x: str) -> str:
        scale, shift = (
            self._constant(f"{name}.{part}", self._weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        )
        inputs = [x, scale, shift]
        return self._node("LayerNormalization", inputs, f"{name}.out", own=False, epsilon=_EPSILON)

    def _sum(self, x: str, y: str) -> str:
        return self._node("Add", [x, y], f"{x}.sum", own=False)

    def _node(
        self, kind: str, inputs: list[str], name: str, *, own: bool = True, **options: Any
    ) -> str:
        domain = "com.microsoft" if own else ""
        self._nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **options))
        return name

    def _constant(self, name: str, value: Floats | NDArray[np.int8]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _described(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])
