"""config.toml and remembered.toml as people's editors leave them: read where they can be, and what is not used is said."""

from __future__ import annotations

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


@pytest.mark.fault("input", "config.toml with a byte order mark, as some editors write it: it counts")
def test_a_byte_order_mark_is_no_fault(config: Path) -> None:
    config.write_text(GOOD, encoding="utf-8-sig")
    assert engine_spec("keras").python == "/opt/keras/bin/python"
    assert config_problems(config) == []
    config.with_name(preferences.FILE).write_text("epochs = 3\n", encoding="utf-8-sig")
    assert preferences.load(config.with_name(preferences.FILE)) == {"epochs": 3}


_FAULTS = {
    "UTF-16": (GOOD.encode("utf-16"), "is not used: it is in UTF-16; save it in UTF-8."),
    "Latin-1": (
        GOOD.encode() + "# caf\xe9\n".encode("latin-1"),
        "is not used: what stands there is not UTF-8 (at line 2, column 6).",
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
    "input", "config.toml in UTF-16, with a typo, a wrong type, an unknown key: said, with line and column"
)
@pytest.mark.parametrize("how", _FAULTS)
def test_what_is_not_used_is_said(
    how: str, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said = _FAULTS[how]
    config.write_bytes(content)
    (problem,) = config_problems(config)
    assert problem.startswith(f"{config}{said}" if said.startswith(",") else f"{config} {said}")
    monkeypatch.setattr("tui.cli.output.parity", lambda *_, **__: 0)
    assert main.main(["parity"]) == 0
    assert capsys.readouterr().err == f"mnist-tui: {problem}\n"
    monkeypatch.setattr("tui.cli.output.doctor", lambda *_, **__: 0)
    assert main.main(["doctor"]) == 0
    assert capsys.readouterr().err == "", "the doctor has a finding for it"
    (finding,) = [one for one in doctor.diagnose([], None, paths.cache_dir(), paths.runs_dir()) if problem == one.text]
    assert (finding.subject, finding.state) == ("config.toml", "note")
    assert finding.fix.endswith(str(config))


@pytest.mark.parametrize("how", ["a wrong type", "an unknown key"])
def test_the_rest_of_it_is_used(how: str, config: Path) -> None:
    config.write_bytes(_FAULTS[how][0])
    assert engine_spec("keras").python == "/opt/keras/bin/python"


def test_the_table_that_was_ours_is_no_fault(config: Path) -> None:
    config.write_text(f'{GOOD}[remembered]\nepochs = 3\ntheme = "mnist-light"\n')
    assert config_problems(config) == []


def test_a_config_file_that_is_a_folder_is_said(config: Path) -> None:
    config.mkdir()
    assert config_problems(config) == [f"{config} can't be read: Is a directory."]


@pytest.fixture
def damaged(config: Path) -> tuple[Path, Path]:
    """config.toml with a typo, and remembered.toml with one setting of three that can be used."""
    config.write_bytes(_FAULTS["a typo"][0])
    preferences.default_path().write_text("epochs = 0\nlearning_rate = 0.5\nepoch = 3\n")
    return config, preferences.default_path()


@pytest.mark.fault(
    "input", "config.toml and remembered.toml are damaged, and no run can be kept: the app says so when it opens"
)
async def test_the_app_says_it_once(damaged: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    config, remembered = damaged
    apps: list[MnistApp] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(MnistApp, "run_guarded", lambda app: apps.append(app) or 0)  # type: ignore[func-returns-value]
    monkeypatch.setattr("gc.disable", lambda: None)
    assert main.main(["--runs-dir", "/dev/null/runs"]) == 0
    (app,) = apps
    assert app.controller.settings == {"learning_rate": 0.5}
    app.specs = ()
    async with app.run_test() as pilot:
        await until(pilot, lambda: len(app._notifications) >= 3)
        said = [note.message for note in app._notifications]
    assert said[0].startswith(f"{config} is not used: expected '='")
    assert said[1].startswith("No run can be kept in /dev/null/runs. Set MNIST_TUI_HOME")
    assert said[2] == f"{remembered}: epochs must be at least 1; epoch is no setting. The other settings are used."


@pytest.mark.fault("input", "a damaged remembered.toml: said, and kept beside the one that is written next")
def test_a_damaged_memory_is_not_written_over(config: Path) -> None:
    path = preferences.default_path()
    path.write_text("epochs = 3\nlearning_rate = 0,5\n")
    assert preferences.load(path) == {}
    (said,) = preferences.problems(path)
    assert said.startswith(f"{path} is not used: ")
    assert "line 2" in said
    assert preferences.DAMAGED in said
    preferences.save(path, {"epochs": 4})
    assert preferences.load(path) == {"epochs": 4}
    assert path.with_name(preferences.DAMAGED).read_text() == "epochs = 3\nlearning_rate = 0,5\n"
    assert preferences.problems(path) == []


def test_commands_that_start_no_framework_say_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("typo")
    assert main.main(["data"]) == 0
    assert capsys.readouterr().err == ""
    assert arguments.startup_problems(main._Parser().parse_args([]))
