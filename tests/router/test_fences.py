"""Code fences, and the one that closes what another leg has opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.fences import closing, ends_in_closing_fence, open_fence


@pytest.mark.parametrize(
    ("text", "info"),
    [
        ("```python\nprint(1)", "python"),
        ("```python", "python"),
        ("~~~\ncode", ""),
        ("Text:\n\n```js\n", "js"),
        ("- item\n\n  ```sh\n  ls", "sh"),
        ("1. ```sh\n   ls", "sh"),
        ("> ```c\n> int x;", "c"),
        ("```a\nx\n```\n```b\ny", "b"),
        ("````md\n```py\nx\n```\n", "md"),  # a shorter fence inside is text
        ("```py\n``` py\n", "py"),  # a fence with a language closes nothing
        ("```py\n~~~\n", "py"),
    ],
)
def test_a_block_is_open(text: str, info: str) -> None:
    fence = open_fence(text)
    assert fence is not None
    assert fence.info == info
    assert text[fence.start :].lstrip("0123456789.->) ").startswith(fence.mark)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no code",
        "`inline` and ``more``",
        "```x``` in a line",
        "a ``` in mid-line\n",
        "```py\nx\n```",
        "```py\nx\n````\n",
        "> ```c\n> int x;\n> ```\n",
    ],
)
def test_no_block_is_open(text: str) -> None:
    assert open_fence(text) is None


def test_the_end_of_a_block() -> None:
    assert ends_in_closing_fence("```py\nx\n```")
    assert ends_in_closing_fence("```py\nx\n```\n\n")
    assert not ends_in_closing_fence("```py\nx\n```\ntext")
    assert not ends_in_closing_fence("```py\nx\n")
    assert not ends_in_closing_fence("text\n```")


@pytest.mark.parametrize(
    ("text", "began", "closed"),
    [
        ("```py\nx = 1", 8, "\n```"),  # opened by the draft
        ("```py\nx = 1\n", 8, "```"),
        ("~~~~py\nx = 1", 8, "\n~~~~"),
        ("1. a\n\n   ```sh\n   ls", 17, "\n   ```"),
        ("Text.\n```py\nx = 1", 5, ""),  # opened by the leg that ended
        ("```py\nx = 1", 0, ""),  # one leg gave the whole answer
        ("```py\nx = 1\n```\nDone.", 8, ""),
        ("```py\nx\n```\n```js\ny", 8, ""),
        ("Text. More.", 5, ""),
    ],
)
def test_closing(text: str, began: int, closed: str) -> None:
    assert closing(text, began) == closed


@given(st.text("`~\n ap-1.>", max_size=40), st.integers(0, 40))
def test_what_closes_leaves_nothing_open(text: str, began: int) -> None:
    closed = text + closing(text, began)
    fence = open_fence(closed)
    assert fence is None or fence.start >= began
