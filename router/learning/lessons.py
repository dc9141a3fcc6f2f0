"""Samples as lessons for the head: was the fast answer good enough?"""

from __future__ import annotations

from collections.abc import Sequence

from classifier.retrain import Lesson
from router.learning.samples import SampleRow

_AS_GOOD = 0.25  # how far under the deep answer's quality one still counts as good enough


def lessons(rows: Sequence[SampleRow]) -> list[Lesson]:
    """Those rows that tell, in their order.

    Beside a deep answer, good enough is yes or no, as in training; alone, the fast answer's own
    quality says how sure we are of it. A rating of a deep answer tells nothing of the fast tier's.
    """
    return [
        Lesson(
            embedding=row.embedding,
            form=row.form,
            features=row.features,
            good=good,
            weight=row.weight,
        )
        for row in rows
        if (good := _good_enough(row)) is not None
    ]


def _good_enough(row: SampleRow) -> float | None:
    if row.fast_quality is None:
        return None
    if row.deep_quality is None:
        return row.fast_quality
    return 1.0 if row.fast_quality >= row.deep_quality - _AS_GOOD else 0.0
