"""The classifier's answer about one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from models.chat import ChatRequest

Task = Literal[
    "chat",
    "knowledge",
    "code",
    "math_reasoning",
    "extraction",
    "classification",
    "summarise_rewrite",
    "creative",
    "translation",
    "multimodal",
]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Task, and the calibrated chance that the fast tier's answer is good enough.

    Good enough means about as good as the deep tier's: on measured questions, at most a quarter of a point
    (of 0..1) below it. So it is low where asking the deep tier would help, and high where both would be
    right or both wrong. `signals["p_right"]` is the chance that the fast tier is right by itself.

    `signals` holds what went into it, by name, for `headstart route` and the outcome record.
    `classifier` names the model and version that said so.
    """

    task: Task
    p_fast: float  # 0..1
    classifier: str
    task_probabilities: dict[str, float] = field(default_factory=dict[str, float])
    signals: dict[str, float] = field(default_factory=dict[str, float])
    user_task: str = ""  # the user's own task that it fits; `task` is then what that is like
    embedding: bytes = b""  # float32 vector of the prompt: what a retrained head learns from
    form: bytes = b""  # float32: the other input that it learns from
    instruction: bytes = b""  # float32 vector of the instruction, where it is not the whole prompt


class Classifier(Protocol):
    """Judges one request. Never blocks the event loop for more than a few milliseconds."""

    @property
    def name(self) -> str:
        """Model and version, e.g. `embedding-minilm-v1`."""
        ...

    async def assess(self, request: ChatRequest) -> Assessment:
        """Task and chance for this request."""
        ...
