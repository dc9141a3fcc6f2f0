"""Writes the sample of ordinary prompts that users' own tasks are held against: `python -m scripts.training.background`.

The prompts are our own (`own_prompts.jsonl`); their embeddings are kept in eight bits a number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from classifier.embedding import MiniLmEncoder
from scripts.training import rows

OUT = Path("classifier/data/background.npz")
STEPS = 127


def main() -> None:
    """Encodes and writes."""
    encoder = MiniLmEncoder()
    embedded = encoder.encode([row.ask.full for row in rows.own()])
    scale = np.abs(embedded).max(axis=1, keepdims=True)
    np.savez_compressed(OUT, rows=np.asarray(np.rint(embedded / scale * STEPS), np.int8))


if __name__ == "__main__":
    main()
