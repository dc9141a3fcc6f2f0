"""What a client's word for a model means: a mode, or one model at one provider. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, get_args

from models.chat import Mode
from models.errors import ModelNotFound

MODES: Final[tuple[Mode, ...]] = get_args(Mode)

# Clients that insist on a vendor's name get our own choice. A name that should pin a model is
# written `provider/model`; configuration (`[aliases]`) overrides these.
BUILT_IN_ALIASES: Final[Mapping[str, str]] = {
    "gpt-*": "auto",
    "chatgpt-*": "auto",
    "codex-*": "auto",
    "o1*": "auto",
    "o3*": "auto",
    "o4*": "auto",
    "claude-*": "auto",
    "gemini-*": "auto",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was asked for. `target` is `provider/model` where the client named one, else empty."""

    mode: Mode
    target: str = ""

    @property
    def provider(self) -> str:
        """The provider of the named model."""
        return self.target.partition("/")[0]


def resolve(
    name: str,
    *,
    models: Collection[str],
    providers: Collection[str],
    aliases: Mapping[str, str],
) -> Resolved:
    """The meaning of `name`; raises `ModelNotFound` with the nearest names.

    `models` are the known full names. A model that the catalogue lacks is let through when its
    provider is known: hosts add models daily. A user's alias wins over everything but the modes.
    """
    if found := _plain(name, models, providers, aliases):
        return found
    for table in (aliases, BUILT_IN_ALIASES):
        pattern = _matching(name, table)
        if pattern is None:
            continue
        if found := _plain(table[pattern], models, providers, {}):
            return found
        raise ModelNotFound(
            f"The alias `{pattern}` stands for `{table[pattern]}`, which is not known here."
            + _near(table[pattern], models),
            param="model",
        )
    raise ModelNotFound(f"There is no model `{name}` here.{_near(name, models)}", param="model")


def _plain(
    name: str, models: Collection[str], providers: Collection[str], aliases: Mapping[str, str]
) -> Resolved | None:
    """The meaning of a name that no alias is needed for."""
    for mode in MODES:
        if name == mode:
            return Resolved(mode)
    if _matching(name, aliases) is not None:
        return None
    if name in models:
        return Resolved("deep", name)
    provider, slash, model = name.partition("/")
    return Resolved("deep", name) if slash and model and provider in providers else None


def _matching(name: str, aliases: Iterable[str]) -> str | None:
    """The first pattern that fits, in the order of the table."""
    lowered = name.lower()
    return next((p for p in aliases if fnmatchcase(lowered, p.lower())), None)


def _near(name: str, models: Collection[str]) -> str:
    candidates = {model.lower(): model for model in (*MODES, *models)}
    for model in models:  # a bare id should find its full name
        candidates.setdefault(model.partition("/")[2].lower(), model)
    near = get_close_matches(name.lower(), candidates, n=3, cutoff=0.6)
    names = list(dict.fromkeys(candidates[key] for key in near))
    if not names:
        return " Ask for `auto`, `fast`, `deep`, or a `provider/model` from /v1/models."
    return f" Did you mean {' or '.join(f'`{n}`' for n in names)}?"
