"""`headstart.draft.json`: the judge of drafts that `headstart tune --retrain` hands to a running server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from classifier.draft import DraftJudge, load_shipped
from classifier.redraft import loaded
from models.errors import ConfigError
from serving.tuning.watch import FileWatch

_log = logging.getLogger(__name__)


def read_judge(path: Path) -> DraftJudge:
    """The judge in force with this file: the shipped one where there is none.

    Raises `ConfigError` with one sentence for what is wrong with it.
    """
    if not path.exists():
        return load_shipped()
    try:
        return loaded(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[classifier] drafts: {path} is no judge of drafts: {error}. Delete it to go back to the "
            "shipped one."
        ) from None


class DraftWatch(FileWatch):
    """Takes over the file's judge when it changes, and the shipped one when it goes.

    A file that cannot be used changes nothing: the judge in force stays, and the log says why.
    """

    def __init__(self, path: Path, engine: str, adopt: Callable[[DraftJudge], None]) -> None:
        """`engine`: the model whose drafts are judged. What is usual for another is not for it."""
        super().__init__(path, self._take, self._take)
        self._engine = engine
        self._adopt = adopt
        self._in_force = load_shipped().version

    def _take(self) -> None:
        try:
            judge = read_judge(self.path)
        except ConfigError as error:
            _log.error("%s The judge of drafts stays: %s.", error.message, self._in_force)
            return
        if judge.learned_on != self._engine:
            judge = replace(judge, usual={})
        self._adopt(judge)
        # A warning, since it changes where requests go, and money with them.
        _log.warning(
            "judge of drafts: %s -> %s, learned on %s; thresholds were chosen on the old one's chances: "
            "run `headstart tune` again once it has judged some traffic",
            self._in_force,
            judge.version,
            judge.learned_on,
        )
        self._in_force = judge.version
