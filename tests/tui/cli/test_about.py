"""The command `mnist-tui about`: what a bug report needs, and nothing private."""

from __future__ import annotations

import json
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from engines.version import version_and_commit
from tui.cli import main


def facts(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    assert main.main(["about", "--json", *options]) == 0
    result: dict[str, str] = json.loads(capsys.readouterr().out)
    return result


def test_it_names_versions_paths_and_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.setenv("SSH_TTY", "/dev/pts/7")
    monkeypatch.setenv("MNIST_TUI_DATA", str(home / "digits"))
    monkeypatch.setenv("MNIST_TUI_HOME", str(home / "data"))
    shown = facts(capsys)
    assert shown["mnist-tui"] == version_and_commit()
    assert f"textual {version('textual')}" in shown["libraries"]
    assert sys.executable in shown["PyTorch"]
    assert shown["runs"] == "~/data/runs"
    assert "TERM=xterm-kitty" in shown["terminal"]
    assert "SSH_TTY=set" in shown["terminal"], "a number of a terminal tells nothing"
    assert "MNIST_TUI_DATA=~/digits" in shown["variables"]
    assert str(home) not in json.dumps(shown), "its name may be the user's"
    assert main.main(["about"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"mnist-tui    {version_and_commit()}"
    assert len(lines) == len(shown)


def test_it_reads_the_versions_of_another_interpreter_without_starting_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    venv.create(tmp_path / "their", with_pip=False)
    (packages,) = (tmp_path / "their").glob("lib/python*/site-packages")
    (packages / "keras-9.8.dist-info").mkdir()
    (packages / "keras-9.8.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 9.8\n")
    python = tmp_path / "their" / "bin" / "python"
    shown = facts(capsys, "--keras-python", str(python))
    assert shown["Keras"] == f"tensorflow not installed, keras 9.8, {python} (--keras-python)"
    for unknown in ("/no/such/python", "nopython"):
        assert facts(capsys, "--pytorch-python", unknown)["PyTorch"].startswith("versions unknown, ")
