"""`headstart.tuned.toml`: thresholds that `headstart tune --apply` hands to a running server."""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from classifier.tuning.thresholds import Thresholds
from models.errors import ConfigError
from serving.tuning.watch import FileWatch

_log = logging.getLogger(__name__)

VERSION: Final = 1

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Tuned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. `classifier` made the scores that the thresholds were chosen on."""

    version: int = VERSION
    classifier: str
    threshold: Share
    written: datetime
    samples: Annotated[int, msgspec.Meta(ge=0)]
    because: str
    thresholds: dict[str, Share] = {}

    @property
    def day(self) -> str:
        """When, for one line."""
        return f"{self.written:%Y-%m-%d}"


def read_tuned(path: Path) -> Tuned:
    """The file's thresholds. Raises `ConfigError` with one sentence for what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table.get("version") != VERSION:
            raise ConfigError(
                f"{path} is of version {table.get('version')}, this Headstart reads version {VERSION}:"
                " run `headstart tune --apply` again."
            )
        return msgspec.convert(table, Tuned)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} is not as `headstart tune` writes it: {error}.") from error


def write_tuned(path: Path, tuned: Tuned) -> None:
    """Put the file in place at once, so that a server never reads half of it."""
    lines = [
        "# Written by `headstart tune --apply`. A running server takes it within a second.",
        "# Delete this file to go back to the thresholds of headstart.toml.",
        f"version = {tuned.version}",
        f"classifier = {_text(tuned.classifier)}",
        f"threshold = {tuned.threshold:.4g}",
        f"written = {tuned.written.isoformat(timespec='seconds')}",
        f"samples = {tuned.samples}",
        f"because = {_text(tuned.because)}",
        "",
        "[thresholds]",
        *(f"{task} = {value:.4g}" for task, value in sorted(tuned.thresholds.items())),
    ]
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error}.") from error


class Adopting(Protocol):
    """Who decides by the thresholds: `Router.set_thresholds`."""

    def __call__(
        self, threshold: float, thresholds: Mapping[str, float], *, tuned: str = ""
    ) -> None:
        """From the next decision on."""
        ...


class TunedWatch(FileWatch):
    """Takes over the file's thresholds when it changes, and the configured ones when it goes.

    A file that cannot be used changes nothing: what was in force stays, and the log says why.
    """

    def __init__(
        self, path: Path, configured: Thresholds, classifier: str, adopt: Adopting
    ) -> None:
        """`classifier` makes this server's scores: thresholds on others' scores mean nothing."""
        super().__init__(path, self._take_file, self._go_back)
        self._configured = configured
        self._classifier = classifier
        self._adopt = adopt
        self._in_force = configured
        self._origin = ""

    @property
    def said(self) -> str:
        """The thresholds in force, where they come from, and the way back."""
        if not self._origin:
            return written(self._in_force)
        back = f"delete it to go back to {written(self._configured)}"
        return f"{written(self._in_force)}, from {self._origin} ({back})"

    def _go_back(self) -> None:
        self._take(self._configured, "", f"{self.path} is gone")
        self._origin = ""

    def _take_file(self) -> None:
        try:
            tuned = self._usable()
        except ConfigError as error:
            _log.error("%s The thresholds stay: %s.", error.message, written(self._in_force))
            return
        thresholds = Thresholds(general=tuned.threshold, tasks=tuned.thresholds)
        self._take(thresholds, tuned.day, f"{self.path}, from {tuned.samples:,} samples")
        self._origin = f"{self.path} of {tuned.day}"

    def _usable(self) -> Tuned:
        tuned = read_tuned(self.path)
        if tuned.classifier != self._classifier:
            raise ConfigError(
                f"{self.path} was tuned on the scores of {tuned.classifier}, this server's are of "
                f"{self._classifier}: run `headstart tune --apply` again."
            )
        return tuned

    def _take(self, thresholds: Thresholds, day: str, why: str) -> None:
        old, self._in_force = self._in_force, thresholds
        self._adopt(thresholds.general, thresholds.tasks, tuned=day)
        # A warning, since it changes where requests go, and money with them.
        _log.warning("thresholds: %s -> %s (%s)", written(old), written(thresholds), why)


def written(thresholds: Thresholds) -> str:
    """Thresholds in one line."""
    tasks = [f"{task} {value:.3g}" for task, value in sorted(thresholds.tasks.items())]
    return ", ".join([f"{thresholds.general:.3g}", *tasks])


def _text(value: str) -> str:
    """A TOML basic string: its escapes are JSON's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
