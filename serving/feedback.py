"""The body of /v1/feedback, read and shown."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from models.chat import Json
from models.errors import RequestError
from router.learning.feedback import Said
from router.learning.records import Feedback
from serving.dialects.decode import decode

_LONGEST_COMMENT: Final = 4000  # characters


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    thumbs: Literal["up", "down"] | None = None
    score: float | None = None
    preferred: Literal["fast", "deep"] | int | None = None
    comment: str = ""


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
    if sum(verdict is not None for verdict in verdicts) != 1:
        raise RequestError("Send exactly one of `thumbs`, `score` and `preferred`.")
    if len(given.comment) > _LONGEST_COMMENT:
        raise RequestError(
            f"comment: at most {_LONGEST_COMMENT} characters are kept.", param="comment"
        )
    if given.thumbs is not None:
        value = 1.0 if given.thumbs == "up" else 0.0
        return Said(outcome_id=given.id, kind="thumbs", value=value, comment=given.comment)
    if given.score is not None:
        if not 0 <= given.score <= 1:
            raise RequestError(
                f"score: {given.score:g} is not between 0 (useless) and 1 (perfect).", param="score"
            )
        return Said(outcome_id=given.id, kind="score", value=given.score, comment=given.comment)
    return Said(
        outcome_id=given.id,
        kind="preferred",
        value=1.0,
        about="" if given.preferred is None else given.preferred,
        comment=given.comment,
    )


def feedback_object(row: Feedback) -> dict[str, Json]:
    """What was stored."""
    return {
        "object": "headstart.feedback",
        "id": row.outcome_id,
        "created": row.created,
        "kind": row.kind,
        "value": row.value,
        "leg": row.leg or None,
        "comment": row.comment,
    }
