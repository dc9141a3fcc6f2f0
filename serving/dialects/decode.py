"""A request body as typed values, or a sentence that says what is wrong and where."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import NoReturn, TypeVar

import msgspec

from models.errors import RequestError

T = TypeVar("T")

_WITH_PATH = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(?P<want>[^`]+)`(?:, got `(?P<got>[^`]+)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]+)`")
_INVALID = re.compile(r"Invalid (?:enum )?value (?P<value>.+)", re.DOTALL)
_INDEX = re.compile(r"\[[^\]]*\]")

_TYPE_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def decode(body: bytes, decoder: msgspec.json.Decoder[T], choices: dict[str, list[str]]) -> T:
    """The body as the decoder's type.

    `choices` lists what may stand at a field (by its path without indexes), so that an error can
    name it: msgspec itself says only that a value is invalid.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _mismatch(str(error), choices) from None
    except RecursionError:
        raise RequestError("The body is not valid JSON: it is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = _repair(body)
    try:
        return decoder.decode(repaired)
    except msgspec.ValidationError as error:
        raise _mismatch(str(error), choices) from None


def _repair(body: bytes) -> bytes:
    """The same JSON without lone surrogates, which msgspec refuses; other faults are named.

    JavaScript clients send half an emoji when they cut a long text in the middle of one.
    """
    if not body.strip():
        raise RequestError("The body is empty: a JSON object is needed.")
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise RequestError(f"The body is not valid UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno} (byte {_byte(body, error.pos)})"
        raise RequestError(f"The body is not valid JSON at {place}: {error.msg}.") from None
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _no_constant(name: str) -> NoReturn:
    raise RequestError(f"The body is not valid JSON: {name} is not a JSON number.")


def _byte(body: bytes, characters: int) -> int:
    return len(body.decode()[:characters].encode())


def _mismatch(report: str, choices: dict[str, list[str]]) -> RequestError:
    found = _WITH_PATH.fullmatch(report)
    what, path = (found["what"], found["path"] or "") if found else (report, "")
    allowed = choices.get(_INDEX.sub("", path), [])
    if match := _MISSING.fullmatch(what):
        path = f"{path}.{match['key']}" if path else match["key"]
        return RequestError(f"{path}: this field is required.", param=path)
    if match := _UNKNOWN.fullmatch(what):
        near = get_close_matches(match["key"], allowed, 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        where = path or "The body"
        return RequestError(f"{where}: unknown field `{match['key']}`.{hint}", param=path or None)
    if match := _INVALID.fullmatch(what):
        among = f" Use one of {', '.join(allowed)}." if allowed else ""
        return RequestError(f"{path}: {match['value']} is not known here.{among}", param=path)
    return RequestError(f"{path or 'The body'}: {_expectation(what)}", param=path or None)


def _expectation(what: str) -> str:
    match = _EXPECTED.match(what)
    if not match:
        return f"{what}."
    names = [_TYPE_NAMES.get(n, n) for n in match["want"].split(" | ") if n != "null"]
    wanted = " or ".join(names) + what[match.end() :]
    got = f", got {_TYPE_NAMES.get(match['got'], match['got'])}" if match["got"] else ""
    return f"expected {wanted}{got}."
