"""The tests read no file and no choice of the user who runs them, and train on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from engines import paths
from engines.config import BACKENDS, ENGINES, TrainConfig
from engines.data.sources import find_digits, keras_folder
from engines.supervision.registry import OWN, engine_spec, managed_python
from tests.conftest import OF_THE_USER
from tui import preferences

ROOT = Path(__file__).parents[1]
SOURCES = "".join(
    path.read_text(encoding="utf-8") for name in ("engines", "tui") for path in (ROOT / name).rglob("*.py")
)
VARIABLES = {
    "KERAS_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    *re.findall(r'"(MNIST_TUI_\w+)"', SOURCES),
}
VARIABLES |= {f"MNIST_TUI_{engine.upper()}_PYTHON" for engine in ENGINES}
"""Every variable that the program reads about the user's files and choices."""


def test_nothing_is_the_users(tmp_path: Path) -> None:
    """No folder, setting, interpreter, environment or digit that the tests use is the user's."""
    own = {name: value for name in VARIABLES if (value := os.environ.get(name)) and name != "MNIST_TUI_MIRRORS"}
    assert {name for name, value in own.items() if not Path(value).is_relative_to(tmp_path)} == set()
    folders = (
        paths.cache_dir(), paths.data_dir(), paths.runs_dir(), paths.config_file(), preferences.default_path(), keras_folder(),
        managed_python("keras"), Path.cwd(), Path.home(),
    )  # fmt: skip
    assert [folder for folder in folders if not folder.is_relative_to(tmp_path)] == []
    assert paths.settings() == {}
    assert find_digits(None, paths.cache_dir()) == []
    for spec in (engine_spec("pytorch"), *(engine_spec("keras", "", backend) for backend in BACKENDS)):
        assert (spec.python, spec.python_source) == (sys.executable, OWN)


def test_nothing_is_the_users_on_a_machine_with_everything(tmp_path: Path) -> None:
    """The test above passes where every variable is set, and every file exists."""
    python = tmp_path / "data" / "mnist-tui" / "envs" / "keras" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (python.parents[1] / ".whole").touch()
    (tmp_path / "config" / "mnist-tui").mkdir(parents=True)
    (tmp_path / "config" / "mnist-tui" / "config.toml").write_text('pytorch_python = "/their/python"\n')
    environment = {name: str(tmp_path / "theirs") for name in VARIABLES}
    for name, folder in (("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data")):
        environment[f"XDG_{name}_HOME"] = str(tmp_path / folder)
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", f"{__file__}::test_nothing_is_the_users"]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_variable_of_the_program_is_unset_in_tests() -> None:
    assert {name for name in VARIABLES if not OF_THE_USER.fullmatch(name)} == set()
    assert "MNIST_TUI_CONFIG_DIR" in VARIABLES


def test_the_small_config_trains_on_the_cpu(small_config: TrainConfig) -> None:
    """On a GPU, what tests compare bit for bit would differ."""
    assert small_config.device == "cpu"
