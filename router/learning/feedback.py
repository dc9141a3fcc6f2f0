"""Feedback that a client gives: checked against the request that it is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import NotYours, RequestError
from models.redact import redact
from router.learning.records import Feedback, Kind, Known, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a client says of an answer, of its task, or of both.

    `about`: a tier, or the index of a leg. `task`: what the request really was.
    """

    outcome_id: str
    kind: Kind
    value: float  # 0..1; of a preference 1
    about: Tier | int = ""
    comment: str = ""
    task: str = ""


def feedback(said: Said, known: Known, client: str, at: float) -> Feedback:
    """What is stored of it. Raises a `RequestError` when it does not fit the request."""
    if client != known.client:
        raise NotYours(f"{said.outcome_id} was not asked with this client key.", param="id")
    return Feedback(
        outcome_id=said.outcome_id,
        created=at,
        kind=said.kind,
        value=said.value,
        leg=_tier(said.about, known),
        comment=redact(said.comment),
        task=said.task,
    )


def _tier(about: Tier | int, known: Known) -> Tier:
    if not isinstance(about, int):
        return about
    if not 0 <= about < len(known.tiers):
        raise RequestError(
            f"preferred: there is no leg {about}; this request had {len(known.tiers)}, counted from 0.",
            param="preferred",
        )
    return known.tiers[about]
