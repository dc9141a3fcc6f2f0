"""Samples as lessons for head, judge and judge of drafts: was the fast answer good enough?"""

from __future__ import annotations

from collections.abc import Sequence

from classifier.recalibrate import Verdict, verdict
from classifier.redraft import Heard
from classifier.retrain import Lesson
from router.learning.samples import SampleRow, of_one_classifier

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
            gain=row.signals.get("deep_gain"),
        )
        for row in rows
        if (good := good_enough(row.fast_quality, row.deep_quality)) is not None
    ]


def verdicts(rows: Sequence[SampleRow]) -> list[Verdict]:
    """The same for the judge: those of its requests that tell."""
    found = (
        verdict(row.classifier, row.signals, good=good, prompt=row.embedding, weight=row.weight)
        for row in rows
        if (good := good_enough(row.fast_quality, row.deep_quality)) is not None
    )
    return [each for each in found if each is not None]


def heard(rows: Sequence[SampleRow]) -> list[Heard]:
    """For the judge of drafts: every first sentence that was heard, judged or not."""
    return [
        Heard(
            task=row.task,
            p_prompt=row.p_prompt,
            signals=row.draft_signals,
            threshold=row.threshold,
            model=row.draft_model,
            prompt=row.embedding,
            good=good_enough(row.fast_quality, row.deep_quality),
            weight=row.weight,
        )
        for row in of_one_classifier(rows)  # what a prompt's chance is worth depends on who gave it
        if row.p_prompt is not None and row.draft_signals is not None
    ]


def good_enough(fast: float | None, deep: float | None) -> float | None:
    """Whether the fast tier was enough, from the qualities of the answers; None: they do not tell."""
    if fast is None:
        return None
    if deep is None:
        return fast
    return 1.0 if fast >= deep - _AS_GOOD else 0.0
