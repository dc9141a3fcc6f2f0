"""The error tree is complete: each class can be shown to a client, and is drawn."""

from __future__ import annotations

import re

import pytest

import models.errors
from models.errors import HeadstartError, ProviderError


def family(root: type[HeadstartError]) -> list[type[HeadstartError]]:
    return [root, *(found for child in root.__subclasses__() for found in family(child))]


ERRORS = [error for error in family(HeadstartError) if error.__module__ == "models.errors"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_status_and_a_code(error: type[HeadstartError]) -> None:
    assert 400 <= error.status <= 599
    assert re.fullmatch(r"[a-z_]+", error.code)
    made = error("A sentence.")
    assert made.message == "A sentence."
    assert made.origin == ("provider" if issubclass(error, ProviderError) else "headstart")


def test_the_tree_is_drawn_in_full() -> None:
    drawn = set(re.findall(r"[─] ?(\w+)", models.errors.__doc__ or "")) | {"HeadstartError"}
    assert drawn == {error.__name__ for error in ERRORS}


def test_errors_are_defined_in_one_place() -> None:
    assert family(HeadstartError) == ERRORS
