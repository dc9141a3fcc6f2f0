"""The command line: what it prints, and that errors are one sentence and exit code 2."""

import json
import re
import socket
from pathlib import Path

import pytest

from serving.__main__ import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


class Run:
    """What one command printed and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        self.code = ended.value.code
        self.out, self.err = capsys.readouterr()


def test_models_tells_price_window_abilities_and_the_missing_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Run(capsys, "models", "--provider", "anthropic")
    [line] = [
        line for line in run.out.splitlines() if line.startswith("anthropic/claude-haiku-4-5 ")
    ]

    assert run.code == 0
    assert line.split()[:4] == ["anthropic/claude-haiku-4-5", "1", "5", "200,000"]
    assert "set ANTHROPIC_API_KEY" in line
    assert "tools json vision" in line
    assert "deepseek" not in run.out


def test_models_with_a_key_can_be_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    run = Run(capsys, "models", "--provider", "deepseek")

    assert " yes " in run.out
    assert "sk-secret" not in run.out


def test_models_of_an_unknown_provider(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "models", "--provider", "nix")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("headstart: The catalogue has no models of nix: it has those of")


def test_a_wrong_setting_stops_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text("[classifier]\ntreshold = 0.5\n")
    for command in (["up"], ["models"], ["route", "Hi"]):
        run = Run(capsys, *command)
        assert run.code == 2
        assert run.err == (
            "headstart: Unknown key `treshold` in [classifier], line 2 of headstart.toml: "
            "did you mean `threshold`?\n"
        )


def test_up_refuses_a_taken_port_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = Run(capsys, "up", "--port", str(port))

    assert run.code == 2
    assert run.err == (
        f"headstart: Port {port} on 127.0.0.1 is taken by another program: stop it, or choose "
        f"another with --port {port + 1}.\n"
    )


def test_up_refuses_the_network_without_client_keys(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "up", "--host", "0.0.0.0")
    assert run.code == 2
    assert run.err.startswith("headstart: Refusing to listen on 0.0.0.0 without client keys")


def test_up_refuses_when_nobody_could_answer_deeply(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text("[deep]\nstand_in = false\n")
    run = Run(capsys, "up", "--port", "0")
    assert run.code == 2
    assert "set ANTHROPIC_API_KEY" in run.err


def test_doctor_names_what_is_there_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    Path("headstart.toml").write_text("[server]\nport = 0\n")
    run = Run(capsys, "doctor")
    lines = [line.split(maxsplit=2) for line in run.out.splitlines()]

    assert run.code in (0, 1)  # the engine's packages need not be installed here
    assert ["ok", "deep", "deepseek: DEEPSEEK_API_KEY is set"] in lines
    assert ["warn", "deep", "anthropic: set ANTHROPIC_API_KEY"] in lines
    assert {what for _, what, _ in lines} >= {"python", "gpu", "settings", "deep", "address"}
    assert "sk-secret" not in run.out + run.err


def test_doctor_fails_when_up_would(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text('[server]\nhost = "0.0.0.0"\nport = 0\n')
    run = Run(capsys, "doctor")
    assert run.code == 1
    assert "fail address" in " ".join(run.out.split())


def test_doctor_goes_on_when_the_settings_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text("[server]\nprt = 1\n")
    run = Run(capsys, "doctor")
    assert run.code == 1
    assert "did you mean `port`?" in run.out
    assert "python" in run.out


def test_route_explains_a_decision_without_an_engine(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headstart.toml").write_text('[fast]\nurl = "http://127.0.0.1:9/v1"\nmodel = "m"\n')
    run = Run(capsys, "route", "Prove that sqrt(2) is irrational")
    shown = " ".join(run.out.split())

    assert run.code == 0
    assert "task math_reasoning" in shown
    assert "P(fast is enough)" in shown
    assert "threshold 0.75" in shown
    assert "because P(fast is good enough)" in shown
    assert "local/m" in shown
    assert "stand-in-anthropic/m" in shown
    assert "deep_gain" in shown
    assert "looks like similarity task fast enough" in shown


def test_route_shows_how_equals_share_requests(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    group = '["deepseek/deepseek-v4-pro", "anthropic/claude-sonnet-5-5"]'
    Path("headstart.toml").write_text(
        f'[fast]\nurl = "http://127.0.0.1:9/v1"\n[deep]\norder = [{group}]\n'
    )
    grouped = Run(capsys, "route", "Prove that sqrt(2) is irrational").out
    shares = [int(found) for found in re.findall(r" (\d+)%", grouped)]
    assert "share of such requests" in grouped
    assert len(shares) == 2
    assert sum(shares) in (99, 100, 101)
    Path("headstart.toml").write_text(
        f'[fast]\nurl = "http://127.0.0.1:9/v1"\n[deep]\norder = {group}\n'
    )
    assert "share" not in Run(capsys, "route", "Prove that sqrt(2) is irrational").out


def test_route_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-secret")
    Path("headstart.toml").write_text('[fast]\nurl = "http://127.0.0.1:9/v1"\n')
    run = Run(capsys, "route", "Prove that sqrt(2) is irrational", "--json", "--model", "deep")
    decision = json.loads(run.out)

    assert decision["plan"]["route"] == "deep"
    assert decision["plan"]["deep"][0]["name"] == "deepseek/deepseek-v4-pro"
    assert decision["estimates"][-1]["usd"] > 0
    assert "sk-secret" not in run.out
