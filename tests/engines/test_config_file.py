"""config.toml and remembered.toml as editors save them: read if possible, and ignored parts are reported."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from engines import paths
from engines.api import config_problems, engine_spec
from engines.tools import doctor
from tests.support.pilot import until
from tui import preferences
from tui.app import MnistApp
from tui.cli import arguments, main

GOOD = 'keras_python = "/opt/keras/bin/python"\n'


@pytest.fixture
def config() -> Path:
    return paths.config_file()


@pytest.mark.fault("input", "config.toml with a byte order mark, as some editors write it: read")
def test_a_byte_order_mark_is_accepted(config: Path) -> None:
    config.write_text(GOOD, encoding="utf-8-sig")
    assert engine_spec("keras").python == "/opt/keras/bin/python"
    assert config_problems(config) == []
    config.with_name(preferences.FILE).write_text("epochs = 3\n", encoding="utf-8-sig")
    assert preferences.load(config.with_name(preferences.FILE)) == {"epochs": 3}


_FAULTS = {
    "UTF-16": (GOOD.encode("utf-16"), "is not used: it is in UTF-16; save it in UTF-8."),
    "Latin-1": (
        GOOD.encode() + "# caf\xe9\n".encode("latin-1"),
        "is not used: it is not UTF-8 (at line 2, column 6).",
    ),
    "a typo": (
        GOOD.encode() + b"pytorch_python /opt/python\n",
        "is not used: expected '=' after a key in a key/value pair (at line 2, column 16).",
    ),
    "a wrong type": (
        GOOD.encode() + b"\n  pytorch_python = 3\n",
        ", line 3, column 3: pytorch_python must be a path in quotes.",
    ),
    "an unknown key": (
        GOOD.encode() + b"kears_python = 'x'\n",
        ", line 2, column 1: there is no setting kears_python; use pytorch_python or keras_python.",
    ),
    "an unknown table": (b"[keras]\npython = 'x'\n", ", line 1, column 2: there is no setting keras; use"),
    "too deep": (b"x = " + 5_000 * b"[", "is not used: "),
}


@pytest.mark.fault(
    "input", "config.toml in UTF-16, with a typo, a wrong type, an unknown key: reported, with line and column"
)
@pytest.mark.parametrize("how", _FAULTS)
def test_ignored_parts_are_reported(
    how: str, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = _FAULTS[how]
    config.write_bytes(content)
    (problem,) = config_problems(config)
    assert problem.startswith(f"{config}{message}" if message.startswith(",") else f"{config} {message}")
    monkeypatch.setattr("tui.cli.parity.run", lambda *_, **__: 0)
    assert main.main(["parity"]) == 0
    assert capsys.readouterr().err == f"mnist-tui: {problem}\n"
    monkeypatch.setattr("tui.cli.doctor.run", lambda *_, **__: 0)
    assert main.main(["doctor"]) == 0
    assert capsys.readouterr().err == "", "the doctor has a finding for it"
    (finding,) = [one for one in doctor.diagnose([], None, paths.cache_dir(), paths.runs_dir()) if problem == one.text]
    assert (finding.subject, finding.state) == ("config.toml", "note")
    assert finding.fix.endswith(str(config))


@pytest.mark.parametrize("how", ["a wrong type", "an unknown key"])
def test_the_rest_of_the_file_is_used(how: str, config: Path) -> None:
    config.write_bytes(_FAULTS[how][0])
    assert engine_spec("keras").python == "/opt/keras/bin/python"


def test_the_table_of_earlier_versions_is_no_problem(config: Path) -> None:
    config.write_text(f'{GOOD}[remembered]\nepochs = 3\ntheme = "mnist-light"\n')
    assert config_problems(config) == []


def test_a_config_file_that_is_a_folder_is_reported(config: Path) -> None:
    config.mkdir()
    assert config_problems(config) == [f"{config} can't be read: Is a directory."]


@pytest.fixture
def damaged(config: Path) -> tuple[Path, Path]:
    """Write config.toml with a typo, and remembered.toml with one usable setting of three."""
    config.write_bytes(_FAULTS["a typo"][0])
    preferences.default_path().write_text("epochs = 0\nlearning_rate = 0.5\nepoch = 3\n")
    return config, preferences.default_path()


@pytest.mark.fault(
    "input", "config.toml and remembered.toml are damaged, and no run can be stored: the app reports it when it opens"
)
async def test_the_app_reports_problems_once(damaged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    config, remembered = damaged
    apps: list[MnistApp] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(MnistApp, "run_guarded", lambda app: apps.append(app) or 0)  # type: ignore[func-returns-value]
    monkeypatch.setattr(gc, "disable", lambda: None)
    assert main.main(["--runs-dir", "/dev/null/runs"]) == 0
    (app,) = apps
    assert app.controller.request.settings == {"learning_rate": 0.5}
    app.specs = ()
    async with app.run_test() as pilot:
        await until(pilot, lambda: len(app._notifications) >= 3)
        messages = [note.message for note in app._notifications]
    assert messages[0].startswith(f"{config} is not used: expected '='")
    assert messages[1].startswith("Runs can't be saved in /dev/null/runs. Name a folder")
    assert messages[2] == f"{remembered}: epochs must be at least 1; epoch is no setting. The other settings are used."


@pytest.mark.fault("input", "a damaged remembered.toml: reported, and renamed before the next one is written")
def test_damaged_preferences_are_not_overwritten(config: Path) -> None:
    path = preferences.default_path()
    path.write_text("epochs = 3\nlearning_rate = 0,5\n")
    assert preferences.load(path) == {}
    (message,) = preferences.problems(path)
    assert message.startswith(f"{path} is not used: ")
    assert "line 2" in message
    assert preferences.DAMAGED in message
    preferences.save(path, {"epochs": 4})
    assert preferences.load(path) == {"epochs": 4}
    assert path.with_name(preferences.DAMAGED).read_text() == "epochs = 3\nlearning_rate = 0,5\n"
    assert preferences.problems(path) == []


def test_commands_that_start_no_framework_report_no_problems(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("typo")
    assert main.main(["data"]) == 0
    assert capsys.readouterr().err == ""
    assert arguments.startup_problems(main._Parser().parse_args([]))
