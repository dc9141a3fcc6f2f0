"""A wheel holds every module and every data file, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("serving", "router", "classifier", "models")


def tracked_files() -> list[str]:
    """What a clone of this tree would hold."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [file for file in listed.stdout.splitlines() if (ROOT / file).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The file names in a wheel that is built from a copy of the tree."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for file in tracked_files():
        if file.startswith((*PACKAGES, "pyproject.toml", "README.md", "LICENSE")):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, copy / file)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (made,) = out.glob("headstart-*.whl")
    with zipfile.ZipFile(made) as archive:
        return [name for name in archive.namelist() if ".dist-info/" not in name]


def test_every_module_and_data_file_is_in_the_wheel(wheel: list[str]) -> None:
    wanted = [
        file
        for file in tracked_files()
        if file.startswith(tuple(f"{package}/" for package in PACKAGES))
        and not file.endswith((".md", ".gitignore"))
    ]
    assert any(not file.endswith(".py") for file in wanted)
    assert not set(wanted) - set(wheel)


def test_nothing_else_is_in_the_wheel(wheel: list[str]) -> None:
    assert {file.partition("/")[0] for file in wheel} == set(PACKAGES)
