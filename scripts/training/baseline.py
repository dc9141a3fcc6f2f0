"""Writes what drift is measured against: `python -m scripts.training.baseline`, after each new head.

Scores and tasks of our own prompts (`own_prompts.jsonl`), by the shipped head as it runs.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np

from classifier.assessment import Assessment
from classifier.embedding_classifier import load_default
from classifier.tuning.drift import summarise
from models.chat import ChatRequest, Message, Text
from scripts.training import rows

OUT = Path("classifier/data/baseline.json")


def main() -> None:
    """Classifies and writes."""
    name, found = asyncio.run(_assess())
    baseline = summarise(name, np.array([a.p_fast for a in found]), [a.task for a in found])
    table = {
        "classifier": baseline.classifier,
        "p_fast": baseline.p_fast.round(4).tolist(),
        "tasks": {task: round(share, 4) for task, share in baseline.tasks.items()},
    }
    OUT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


async def _assess() -> tuple[str, list[Assessment]]:
    classifier = load_default()
    try:
        return classifier.name, [await classifier.assess(_request(row)) for row in rows.own()]
    finally:
        await classifier.aclose()


def _request(row: rows.Labelled) -> ChatRequest:
    return ChatRequest(
        model="auto", messages=(Message(role="user", parts=(Text(text=row.ask.full),)),)
    )


if __name__ == "__main__":
    main()
