"""Replies recorded from real providers: what `index.json` says of each, and its exact bytes.

They lie beside the conformance tests (a checkout without that copy uses the shared folder next to
it); the local engine's own are in `recorded`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from models.chat import Json

_ROOT = Path(__file__).parents[2]
_FOLDERS = (
    _ROOT / "tests" / "conformance" / "recordings",
    _ROOT.parent / "shared" / "fixtures",
)
_ENGINE = Path(__file__).parent / "recorded"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recorded reply; `kind` and `expected` are explained in index.json."""

    id: str
    file: Path
    provider: str
    dialect: str
    kind: str
    status: int
    headers: dict[str, str] = field(hash=False)
    expected: Json = field(hash=False)
    retry: Json = field(default=None, hash=False)

    @cached_property
    def body(self) -> bytes:
        """The exact bytes of the reply's body."""
        return self.file.read_bytes()


@cache
def recordings() -> dict[str, Recording]:
    """All recordings by id, in the order of the index."""
    hosted = next(folder for folder in _FOLDERS if (folder / "index.json").exists())
    return {
        row["id"]: _recording(folder, row)
        for folder in (hosted, _ENGINE)
        for row in json.loads((folder / "index.json").read_text())["recordings"]
    }


def recording(name: str) -> Recording:
    """The recording with this id, e.g. `anthropic/stream-text-sonnet45`."""
    return recordings()[name]


def error_recording(provider: str, dialect: str, status: int) -> Recording:
    """An error body as this provider words it: with this status, else the nearest one it has."""
    errors = [
        r
        for r in recordings().values()
        if r.kind == "error" and r.dialect == dialect and "json" in r.headers["content-type"]
    ]
    own = [r for r in errors if r.provider == provider] or errors
    return min(own, key=lambda r: abs(r.status - status))


def _recording(folder: Path, row: Json) -> Recording:
    return Recording(
        id=row["id"],
        file=folder / row["file"],
        provider=row["provider"],
        dialect=row["dialect"],
        kind=row["kind"],
        status=row["status"],
        headers=row["headers"],
        expected=row["expected"],
        retry=row.get("retry"),
    )
