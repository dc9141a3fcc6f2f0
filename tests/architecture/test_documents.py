"""Pages that name files name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = ("serving", "router", "classifier", "models", "scripts", "tests")
PAGES = [ROOT / "README.md", *(page for top in TOP for page in (ROOT / top).rglob("design.md"))]
FOLLOW = "## Follow one request"


def quoted_paths(text: str) -> list[str]:
    """What stands in backticks and looks like a file or folder of the repository."""
    quoted = re.findall(r"`([^`\s]+)`", text)
    return [path for path in quoted if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.py|\.md)", path)]


def exists(path: str, beside: Path, before: str) -> bool:
    """From the root, beside the page, or (`openai/` after `providers/anthropic/`) as a sibling."""
    places = [ROOT, beside, ROOT / Path(before).parent]
    return any((place / path).exists() for place in places)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_named_exists(page: Path) -> None:
    before = ""
    missing: list[str] = []
    for path in quoted_paths(page.read_text()):
        if not exists(path, page.parent, before):
            missing.append(path)
        if path.startswith(TOP):
            before = path.rstrip("/")
    assert not missing


def test_one_request_is_followed_through_the_tree() -> None:
    section = (ROOT / "README.md").read_text().partition(FOLLOW)[2].partition("\n## ")[0]
    assert section, f"README.md has no section {FOLLOW!r}"
    steps = re.findall(r"^\d+\. ", section, re.MULTILINE)
    assert len(steps) >= 8
    visited = {path.partition("/")[0] for path in quoted_paths(section)}
    assert {"serving", "router", "classifier", "models"} <= visited


def test_the_two_commands_of_the_readme_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    for script in ("./scripts/up", "./scripts/test"):
        assert script in readme
        assert (ROOT / script).stat().st_mode & 0o111, f"{script} is not executable"


def test_ci_runs_the_readme_s_commands_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["./scripts/check", "./scripts/test"]
