"""The questions that a bench asks: the shipped ones, or a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import msgspec

from classifier.assessment import TASKS
from models.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the task by which the hosted model is chosen."""

    prompt: str
    task: str = "chat"


def read_questions(path: Path | None) -> list[Question]:
    """The questions of a file (JSONL with `prompt`, or one prompt a line), else the shipped ones.

    Raises `ConfigError` with the line that is wrong.
    """
    if path is None:
        shipped = files("serving.cli.bench").joinpath("data", "prompts.jsonl")
        return parse_questions(shipped.read_text("utf-8"), "prompts.jsonl")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"Cannot read the prompts in {path}: {reason}.") from None
    return parse_questions(text, path.name)


def parse_questions(text: str, name: str) -> list[Question]:
    """The questions of a text. It is JSONL when its first line is a JSON object."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{name} has no prompts.")
    if not lines[0][1].startswith("{"):
        return [Question(line) for _, line in lines]
    return [_question(line, f"line {number} of {name}") for number, line in lines]


def _question(line: str, place: str) -> Question:
    try:
        question = msgspec.json.decode(line, type=Question)
    except msgspec.DecodeError as error:
        raise ConfigError(f'{place} is not a JSON object with a "prompt": {error}.') from None
    if not question.prompt.strip():
        raise ConfigError(f"{place} has an empty prompt.")
    if question.task not in TASKS:
        raise ConfigError(
            f"{place}: `{question.task}` is not a task; the tasks are {', '.join(TASKS)}."
        )
    return question
