"""The tests hold on any machine: no file is the user's, comparisons train on the CPU, what only Linux has is skipped by name."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engines import paths
from engines.config import BACKENDS, ENGINES, TrainConfig
from engines.data.sources import find_digits, keras_folder
from engines.supervision.registry import OWN, engine_spec, managed_python
from tests.conftest import ACCEPTED_SKIPS, OF_THE_CLUSTER, OF_THE_TERMINAL, OF_THE_USER, pytest_runtest_setup
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
    """No folder, setting, interpreter, environment, digit or terminal that the tests use is the user's."""
    assert {name for name in os.environ if name in OF_THE_TERMINAL or OF_THE_CLUSTER.match(name)} == set()
    assert os.environ["TERM"] == "xterm-256color"
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
    environment |= {name: "40" for name in OF_THE_TERMINAL} | {
        "TERM": "dumb",
        "SLURM_JOB_ID": "4711",
        "SLURMD_NODENAME": "gpu07",
    }
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


LINUX_ONLY = re.compile(r"/dev/full|\bprlimit\b|/proc/\{")
"""The words of tests for things that no other system has."""


def test_what_only_linux_has_is_skipped_elsewhere_by_name() -> None:
    unmarked = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                words = {*LINUX_ONLY.findall(ast.get_source_segment(source, node) or "")}
                marks = " ".join(map(ast.unparse, node.decorator_list))
                if words and "mark.linux" not in marks and path.name != "test_isolation.py":
                    unmarked.append((path.name, node.name, words))
    assert unmarked == []


@pytest.mark.parametrize(("platform", "skipped"), [("darwin", True), ("linux", False)])
def test_a_marked_test_is_skipped_by_name(platform: str, skipped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    item: Any = SimpleNamespace(get_closest_marker=lambda name: SimpleNamespace(args=("/dev/full",)))
    context = pytest.raises(pytest.skip.Exception, match="only Linux has /dev/full") if skipped else nullcontext()
    with context:
        pytest_runtest_setup(item)
    assert any(accepted in "only Linux has /dev/full" for accepted in ACCEPTED_SKIPS), "CI would fail"
