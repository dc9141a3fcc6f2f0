"""Reasoning effort: the word a client used, brought to a word that the model takes."""

from __future__ import annotations

_LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def nearest_effort(wanted: str, allowed: tuple[str, ...]) -> str:
    """The allowed effort closest to `wanted`, the higher one of two equally close.

    Empty when the model has no such knob. A word that nobody knows counts as `high`: it is what
    the models that think hardest do by default, so nothing gets worse in silence.
    """
    if not allowed or wanted in allowed:
        return wanted if allowed else ""
    rank = _rank(wanted)
    return min(allowed, key=lambda effort: (abs(_rank(effort) - rank), -_rank(effort)))


def _rank(effort: str) -> int:
    return _LADDER.index(effort if effort in _LADDER else "high")
