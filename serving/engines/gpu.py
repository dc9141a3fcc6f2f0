"""What the GPUs of this machine offer, and how models share them. Pure but for `visible_gpus`."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import ConfigError

GIB = 1024**3
_MIB = 1024**2
_CONTEXT = int(0.6 * GIB)  # a CUDA context and its libraries, which vLLM's share does not count
_KEPT_FREE = int(0.5 * GIB)  # fragments, other programs' small change
_MOST_OF_A_CARD = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One card, in bytes."""

    index: int
    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a model needs of a card: its weights, and its KV cache for every token it remembers."""

    weights: int
    kv_per_token: int
    window: int

    @property
    def working(self) -> int:
        """Activations and CUDA graphs beside the weights."""
        return GIB + self.weights * 7 // 100

    def needs(self, tokens: int) -> int:
        """Bytes with a KV cache for that many tokens."""
        return self.weights + self.working + self.kv_per_token * tokens


# Known before anything is downloaded, so that a model that cannot fit is refused at once.
# Sizes are those of the published safetensors; KV = 2 x layers x KV heads x head size x 2 bytes.
KNOWN: dict[str, Footprint] = {
    "Qwen/Qwen2.5-7B-Instruct": Footprint(
        weights=15_231_000_000, kv_per_token=2 * 28 * 4 * 128 * 2, window=32_768
    ),
    "Qwen/Qwen2.5-7B-Instruct-AWQ": Footprint(
        weights=5_571_000_000, kv_per_token=2 * 28 * 4 * 128 * 2, window=32_768
    ),
    "Qwen/Qwen2.5-3B-Instruct": Footprint(
        weights=6_172_000_000, kv_per_token=2 * 36 * 2 * 128 * 2, window=32_768
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A model that wants a place: at least `least_tokens` of KV cache, at most `most_tokens`."""

    model: str
    footprint: Footprint
    least_tokens: int
    most_tokens: int | None = None  # None: whatever the card has left


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A model's place: which card, which fraction of it, and how many tokens of KV cache fit."""

    gpu: int
    utilization: float
    tokens: int


def visible_gpus(allowed: str | None = None) -> tuple[Gpu, ...]:
    """The cards that `nvidia-smi` lists; none when it is missing or fails.

    `allowed` is CUDA_VISIBLE_DEVICES: the numbers of the cards that we may use, if it says so.
    """
    command = ["nvidia-smi", "--query-gpu=index,name,memory.total,memory.free"]
    try:
        answer = subprocess.run(  # noqa: S603 - constant arguments
            [*command, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    gpus = parse_gpus(answer.stdout)
    if allowed is None:
        return gpus
    ours = {part.strip() for part in allowed.split(",")}
    return tuple(gpu for gpu in gpus if str(gpu.index) in ours)


def parse_gpus(csv: str) -> tuple[Gpu, ...]:
    """Read nvidia-smi's lines; a card whose memory it cannot tell ("[N/A]") is left out."""
    gpus: list[Gpu] = []
    for line in csv.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 4 or not all(fields[i].isdigit() for i in (0, 2, 3)):
            continue
        index, name, total, free = fields
        gpus.append(
            Gpu(index=int(index), name=name, total=int(total) * _MIB, free=int(free) * _MIB)
        )
    return tuple(gpus)


def fits(demands: Sequence[Demand], gpus: Sequence[Gpu]) -> bool:
    """Whether every demand finds its least."""
    try:
        share_out(demands, gpus)
    except ConfigError:
        return False
    return True


def share_out(demands: Sequence[Demand], gpus: Sequence[Gpu]) -> list[Share]:
    """A place for each demand, in their order: the largest chooses first, the emptiest card.

    Everybody gets the least it asked for; what a card has left goes to KV cache, first to those
    that set no upper bound. Raises `ConfigError` with the ways out when it cannot be done.
    """
    room = {gpu.index: _usable(gpu) for gpu in gpus}
    homes: dict[int, int] = {}
    by_size = sorted(range(len(demands)), key=lambda i: -demands[i].footprint.weights)
    for i in by_size:
        least = demands[i].footprint.needs(demands[i].least_tokens) + _CONTEXT
        home = max(room, key=lambda index: room[index], default=None)
        if home is None or room[home] < least:
            raise ConfigError(_no_room(demands[i], demands, gpus))
        room[home] -= least
        homes[i] = home
    totals = {gpu.index: gpu.total for gpu in gpus}
    shares: dict[int, Share] = {}
    # Bounded demands take their fill first, so that an unbounded one gets the true rest.
    for i in sorted(by_size, key=lambda i: demands[i].most_tokens is None):
        demand, home = demands[i], homes[i]
        tokens = demand.least_tokens + _extra_tokens(demand, room[home])
        room[home] -= (tokens - demand.least_tokens) * demand.footprint.kv_per_token
        utilization = demand.footprint.needs(tokens) / totals[home]
        shares[i] = Share(gpu=home, utilization=math.ceil(utilization * 1000) / 1000, tokens=tokens)
    return [shares[i] for i in range(len(demands))]


def _usable(gpu: Gpu) -> int:
    return min(gpu.free - _KEPT_FREE, int(gpu.total * _MOST_OF_A_CARD))


def _extra_tokens(demand: Demand, room: int) -> int:
    affordable = max(0, room) // demand.footprint.kv_per_token
    if demand.most_tokens is None:
        return affordable
    return min(affordable, max(0, demand.most_tokens - demand.least_tokens))


def _no_room(demand: Demand, demands: Sequence[Demand], gpus: Sequence[Gpu]) -> str:
    needed = (demand.footprint.needs(demand.least_tokens) + _CONTEXT) / GIB
    cards = ", ".join(
        f"GPU {gpu.index} ({gpu.name}) has {gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"
        for gpu in gpus
    )
    beside = [other.model for other in demands if other is not demand]
    return (
        f"{demand.model} needs {needed:.1f} GiB"
        f"{' beside ' + ', '.join(beside) if beside else ''}, but {cards or 'there is no GPU'}. "
        'Ways out: [classifier] model = "embedding" needs no GPU memory; a quantised model '
        '([fast] model = "Qwen/Qwen2.5-7B-Instruct-AWQ") needs a third of it; end what else uses '
        "the card; or attach to an engine elsewhere with [fast] url."
    )
