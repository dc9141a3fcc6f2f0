"""What holds for every source file."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("serving", "router", "classifier", "models")
MOST_LINES = 400
LONGER = {
    "router/relay.py": 490,  # one state machine: cut in two, it would hide what can follow what
}
SOURCES = sorted(file for name in (*PACKAGES, "scripts") for file in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOCK_LIBRARIES = {"mock", "unittest.mock", "pytest_mock", "mockito", "flexmock", "respx"}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def loads(file: Path, *libraries: str) -> bool:
    return not {module.partition(".")[0] for module in imported(file)}.isdisjoint(libraries)


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 50
    assert len(TESTS) > 20


def test_no_file_is_too_long() -> None:
    lengths = {name(file): len(file.read_text().splitlines()) for file in SOURCES}
    limits = {file: LONGER.get(file, MOST_LINES) for file in lengths}
    assert {file: lines for file, lines in lengths.items() if lines > limits[file]} == {}


def test_fakes_only() -> None:
    assert [name(file) for file in TESTS if imported(file) & MOCK_LIBRARIES] == []


def test_engines_are_processes_never_imports() -> None:
    assert [name(file) for file in SOURCES if loads(file, "vllm", "llm")] == []


def test_the_top_level_holds_what_the_design_says() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    built = {"build", "dist", "headstart.egg-info", "__pycache__"}
    assert folders - built == {*PACKAGES, "tests", "scripts"}


def test_the_engines_load_nothing_heavy() -> None:
    """The server starts without torch, transformers or the hub client: fetch.py has them."""
    engines = sorted((ROOT / "serving" / "engines").glob("*.py"))
    assert [
        name(file) for file in engines if loads(file, "torch", "transformers", "huggingface_hub")
    ] == []
