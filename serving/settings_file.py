"""Finding and reading the settings, with errors that name the file, the line and the near key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from models.errors import ConfigError
from serving.settings import Settings

DEFAULT_FILE: Final = Path("headstart.toml")
_PREFIX: Final = "HEADSTART__"

_QUOTED: Final = re.compile('"(.+?)"')

Keys = tuple[str, ...]


def environment() -> Mapping[str, str]:
    """The process environment: the only place that provider keys are read from."""
    return os.environ  # noqa: TID251


def load_settings(path: Path | None = None) -> Settings:
    """Settings from `path`, else from ./headstart.toml if it is there, else defaults.

    Raises `ConfigError` with one sentence.
    """
    if path is None:
        path = DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    text = "" if path is None else _read(path)
    name = "" if path is None else path.name
    data = _parsed(text, name)
    _check_variables()
    try:
        return Settings(**data)
    except SettingsError as error:
        section = next(iter(_QUOTED.findall(str(error))), "…").upper()
        raise ConfigError(
            f"A list or table in {_PREFIX}{section}__… is not written as JSON; right is, for "
            f"example, {_PREFIX}DEEP__ORDER='[\"deepseek/deepseek-v4-pro\"]'."
        ) from None
    except ValidationError as error:
        raise ConfigError(_sentence(error.errors()[0], text, name)) from None


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line of a TOML text where `keys`, or the nearest table around it, is written."""
    table: Keys = ()
    best: tuple[int, int] | None = None  # matched keys, line
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = here = _key_path(stripped.split("]")[0].strip("[ "))
        else:
            left, equals, _ = stripped.partition("=")
            here = (*table, *_key_path(left)) if equals else ()
        if here and tuple(keys[: len(here)]) == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"Cannot read {path}: {reason}.") from None


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}.") from None


def _check_variables() -> None:
    """Refuse `HEADSTART__…` variables of no section, which would be ignored in silence."""
    for variable in environment():
        if not variable.upper().startswith(_PREFIX):
            continue
        section = variable[len(_PREFIX) :].split("__")[0].lower()
        if section not in Settings.model_fields:
            near = _near(section, Settings.model_fields)
            hint = f": did you mean {_PREFIX}{near.upper()}__…?" if near else "."
            raise ConfigError(f"Unknown environment variable {variable}{hint}")


def _sentence(error: ErrorDetails, text: str, name: str) -> str:
    below = error.get("ctx", {}).get("below", ())  # a check of a whole section says where in it
    keys = tuple(str(key) for key in (*error["loc"], *below) if key != "[key]")
    *tables, key = keys
    place = _place(keys, text, name)
    where = f" in [{'.'.join(tables)}]" if tables else ""
    if error["type"] == "extra_forbidden":
        near = _near(key, _fields_at(tables))
        hint = f": did you mean `{near}`?" if near else "."
        return f"Unknown key `{key}`{where}, {place}{hint}"
    if error["type"] == "model_type":
        return f"Wrong value of `{key}`{where}, {place}: it is a table, [{'.'.join(keys)}]"
    # The value itself is not repeated: it may be a secret.
    reason = error["msg"].removeprefix("Value error, ")
    return f"Wrong value of `{key}`{where}, {place}: {reason}"


def _place(keys: Keys, text: str, name: str) -> str:
    variables = {variable.upper(): variable for variable in environment()}
    for length in range(len(keys), 0, -1):
        variable = _PREFIX + "__".join(keys[:length]).upper()
        if variable in variables:
            return f"environment variable {variables[variable]}"
    line = line_of(text, keys)
    return f"line {line} of {name}" if line else name or "defaults"


def _near(key: str, known: Mapping[str, object]) -> str:
    return next(iter(get_close_matches(key, known, 1)), "")


def _fields_at(tables: Sequence[str]) -> Mapping[str, object]:
    """The keys that may stand in a table."""
    model: type[BaseModel] = Settings
    rest = list(tables)
    while rest:
        field = model.model_fields.get(rest.pop(0))
        kind = field.annotation if field else None
        if get_origin(kind) is dict:  # a table of tables: the next key is the user's own
            kind = get_args(kind)[1]
            rest = rest[1:]
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return {}
        model = kind
    return model.model_fields


def _key_path(written: str) -> Keys:
    """`a."b.c"` as its parts; () for what is no key, such as a line inside a list."""
    try:
        table = tomllib.loads(f"{written} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while table:
        key = next(iter(table))
        path.append(key)
        table = cast("dict[str, Any]", table[key])
    return tuple(path)
