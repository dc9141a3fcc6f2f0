"""The body of /v1/feedback, read and shown."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from models.chat import Json
from models.errors import RequestError
from router.learning.feedback import Said
from router.learning.records import Feedback, Kind
from serving.dialects.decode import decode

_LONGEST_COMMENT: Final = 4000  # characters


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    thumbs: Literal["up", "down"] | None = None
    score: float | None = None
    preferred: Literal["fast", "deep"] | int | None = None
    comment: str = ""
    task: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)
_CHOICES: Final = {
    "": list(_Body.__struct_fields__),
    "thumbs": ["up", "down"],
    "preferred": ["fast", "deep", "the index of a leg"],
}


def parse_feedback(body: bytes) -> Said:
    """What is said; raises `RequestError` with a sentence that names the field."""
    given = decode(body, _DECODER, _CHOICES)
    verdicts = (given.thumbs, given.score, given.preferred)
    count = sum(verdict is not None for verdict in verdicts)
    if count > 1 or (count == 0 and not given.task):
        raise RequestError(
            "Send exactly one of `thumbs`, `score` and `preferred`, and beside or instead of it the "
            "right `task` where it was mistaken."
        )
    if len(given.comment) > _LONGEST_COMMENT:
        raise RequestError(
            f"comment: at most {_LONGEST_COMMENT} characters are kept.", param="comment"
        )
    if given.score is not None and not 0 <= given.score <= 1:
        raise RequestError(
            f"score: {given.score:g} is not between 0 (useless) and 1 (perfect).", param="score"
        )
    kind, value = _verdict(given)
    return Said(
        outcome_id=given.id,
        kind=kind,
        value=value,
        about="" if given.preferred is None else given.preferred,
        comment=given.comment,
        task=given.task or "",
    )


def _verdict(given: _Body) -> tuple[Kind, float]:
    if given.thumbs is not None:
        return "thumbs", 1.0 if given.thumbs == "up" else 0.0
    if given.score is not None:
        return "score", given.score
    return ("preferred", 1.0) if given.preferred is not None else ("task", 0.0)


def feedback_object(row: Feedback) -> dict[str, Json]:
    """What was stored."""
    return {
        "object": "headstart.feedback",
        "id": row.outcome_id,
        "created": row.created,
        "kind": row.kind,
        "value": None if row.kind == "task" else row.value,
        "leg": row.leg or None,
        "comment": row.comment,
        "task": row.task or None,
    }
