"""Folders: their spelling, the usual ones, and commands for a user without a home."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines import paths
from engines.api import engine_spec, events_file, find_digits, parse, user_path
from engines.data.sources import keras_folder
from engines.tools.setup import SetupError, build
from tests.support.engines import SCRIPTED
from tests.support.run_folders import make_run_folder
from tui.cli import app as app_command, arguments, main

# Paths as users write them


@pytest.mark.parametrize(
    ("text", "path"),
    [("~", "home"), ("~/r", "home/r"), ("r", "r"), (".", ""), ("~nosuchuser/r", "~nosuchuser/r"), ("~\0/r", "~\0/r")],
)
def test_a_path_becomes_absolute_and_its_tilde_is_expanded(text: str, path: str, tmp_path: Path) -> None:
    assert user_path(text) == tmp_path / path


_READERS: dict[str, Callable[[str], object]] = {
    "--data-dir, and in the form": lambda text: parse("data_dir", text),
    "every other option": arguments.path,
    "a run's folder": lambda text: events_file(text, Path("runs")).parent,
    "--keras-python": lambda text: engine_spec("keras", text).python,
}
_VARIABLES: dict[str, Callable[[], object]] = {
    "MNIST_TUI_HOME": lambda: paths.runs_dir().parent,
    "MNIST_TUI_CACHE_DIR": paths.cache_dir,
    "MNIST_TUI_CONFIG_DIR": lambda: paths.config_file().parent,
    "MNIST_TUI_DATA": lambda: find_digits(None, Path("cache"))[0].path.parent,
    "MNIST_TUI_KERAS_PYTHON": lambda: engine_spec("keras").python,
    "KERAS_HOME": keras_folder,
}


@pytest.mark.fault("input", "a ~ that the shell did not expand, in every option, variable and field: the home folder")
@pytest.mark.parametrize("how", [*_READERS, *_VARIABLES])
def test_a_tilde_is_expanded_wherever_a_path_is_read(how: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run_folder(home, "r")
    (home / "r" / "mnist.npz").touch()
    if how in _READERS:
        path = _READERS[how]("~/r")
    else:
        monkeypatch.setenv(how, "~/r")
        path = _VARIABLES[how]()
    assert str(path) == str(home / "r")


def test_a_tilde_in_config_toml_is_expanded(home: Path) -> None:
    paths.config_file().write_text('keras_python = "~/bin/python"')
    assert engine_spec("keras").python == str(home / "bin" / "python")


@pytest.mark.parametrize(
    "command", [command for command in main.COMMANDS if command not in ("setup", "code", "presets")]
)
def test_the_options_of_every_command_are_absolute(command: str, home: Path) -> None:
    parser = main._Parser()
    main.load(command).add_options(parser)
    for flag in ("--runs-dir", "--data-dir", "--out"):
        action = next((one for one in parser._actions if flag in one.option_strings), None)
        if action is not None:
            assert callable(action.type)
            assert (action.type("~/r"), action.type("")) == (str(home / "r"), "")


@pytest.mark.fault("data", "--data-dir is relative, and the run is resumed from another folder: the digits are found")
def test_a_relative_data_dir_is_stored_as_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = main._Parser()
    app_command.add_options(parser)
    (tmp_path / "elsewhere").mkdir()
    request = arguments.request(parser.parse_args(["--data-dir", "mnist"]))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert request.settings["data_dir"] == str(tmp_path / "mnist")


# When the usual folders can't be used


def test_one_variable_replaces_an_unusable_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MNIST_TUI_CACHE_DIR", "MNIST_TUI_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    usual = paths.cache_dir(), paths.config_file()
    assert all(tmp_path / "home" in one.parents for one in usual)
    monkeypatch.setenv("HOME", "/dev/null")
    assert paths.cache_dir() == tmp_path / "data" / "cache"
    assert paths.config_file() == tmp_path / "data" / "config" / "config.toml"


def test_the_app_warns_of_a_folder_for_runs_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, warned in (("file", True), ("file/runs", True), ("new/runs", False), (".", False)):
        options = argparse.Namespace(runs_dir=str(tmp_path / name))
        assert any("--runs-dir" in problem for problem in arguments.startup_problems(options)) is warned


def test_setup_names_the_variable_to_set_when_it_can_write_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_HOME", "/dev/null/x")
    with pytest.raises(SetupError, match="MNIST_TUI_HOME"):
        build("pytorch", "cpu", print)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """Make a folder that its user may not enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    yield folder
    folder.chmod(0o700)


def _drop_privileges() -> None:
    """Let file permissions apply to root, too, in this process and its children (PR_CAPBSET_DROP, Linux)."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


_COMMANDS = """
import json, pwd, sys
from tui.cli import main as cli
if not (home := sys.argv[1]):
    pwd.getpwuid = {}.__getitem__
else:
    from engines.api import engine_spec
    from tests.support.engines import scripted_spec
    from tui.cli import arguments as options
    options.specs = lambda _: [engine_spec("pytorch") and scripted_spec("pytorch")]
for command in json.loads(sys.argv[2]):
    print("code", cli.main(command), flush=True)
"""


def _run_commands(home: str, folder: Path, *commands: list[str]) -> tuple[list[int], subprocess.CompletedProcess[str]]:
    """Run commands in a process with that home, or without one; return their exit codes, and the process."""
    ours = ("MNIST_TUI", "XDG", "HOME")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"PYTHONPATH": str(SCRIPTED.parents[2]), **({"HOME": home} if home else {})}
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, home, json.dumps(commands)],
        capture_output=True, text=True, timeout=120, env=environment, cwd=folder, preexec_fn=_drop_privileges,
    )  # fmt: skip
    assert not any("Error" in line or "Traceback" in line for line in done.stderr.splitlines()), done.stderr
    return [int(line.removeprefix("code ")) for line in done.stdout.splitlines() if line.startswith("code ")], done


@pytest.mark.fault(
    "disk", "a home that its user may not enter: a sentence that names MNIST_TUI_HOME, and the rest works"
)
def test_commands_work_when_the_home_is_closed(closed: Path, small_mnist: Path, tmp_path: Path) -> None:
    digits = ["--data-dir", str(small_mnist)]
    codes, done = _run_commands(
        str(closed), tmp_path,
        ["data"], ["runs"], ["export", "demo", "--to", "json", "--out", "demo.json"], ["setup", "--dry-run"], ["setup"],
        ["doctor", *digits], ["train", "--framework", "pytorch", "--epochs", "1", *digits], ["train", "--resume", "x"],
    )  # fmt: skip
    assert codes == [0, 1, 0, 0, 1, 0, 2, 2], done.stderr
    assert (tmp_path / "demo.json").is_file()
    of_runs, of_setup, of_train, _ = done.stderr.splitlines()
    assert all("MNIST_TUI_HOME" in line for line in (of_runs, of_setup, of_train))
    assert of_train.startswith("mnist-tui: Runs can't be saved in ")


@pytest.mark.fault("disk", "no HOME and no entry in passwd, as in a container: no folder named ~, and the rest works")
def test_commands_work_without_a_home(tmp_path: Path) -> None:
    codes, done = _run_commands("", tmp_path, ["data"], ["runs"], ["compare", "demo"], ["setup", "--dry-run"])
    assert codes == [0, 0, 0, 0], done.stderr
    assert " /.local/share/mnist-tui/" in done.stdout
    assert "~" not in done.stdout
    assert list(tmp_path.glob("~")) == []
