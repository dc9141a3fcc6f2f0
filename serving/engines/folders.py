"""Where things are kept between starts, as the XDG base directory specification has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def cache_folder(env: Mapping[str, str]) -> Path:
    """What can be made again: unpacked weights."""
    return _base(env, "XDG_CACHE_HOME", ".cache")


def state_folder(env: Mapping[str, str]) -> Path:
    """What tells of the past: engine logs."""
    return _base(env, "XDG_STATE_HOME", ".local/state")


def _base(env: Mapping[str, str], variable: str, default: str) -> Path:
    chosen = env.get(variable)  # an empty or relative one does not count
    base = Path(chosen) if chosen and Path(chosen).is_absolute() else Path.home() / default
    return base / "headstart"
