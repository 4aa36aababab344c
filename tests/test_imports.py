"""Tests of what each part imports, in fresh interpreters."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import tomllib

from tests.support.programs import results_of

FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax"}


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that are loaded after `code` has run in a fresh interpreter."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_app_loads_no_framework_and_no_numpy_before_its_first_paint() -> None:
    loaded = modules_after("import tui.app, tui.screens.train, tui.screens.settings, tui.cli.train, tui.cli.runs")
    assert not loaded & (FRAMEWORKS | {"numpy", "psutil", "pynvml"})


def test_the_app_loads_no_supervisor_and_no_file_format_before_its_first_paint() -> None:
    script = """
import sys
from engines.api import engine_spec
from tui.app import MnistApp
MnistApp([engine_spec("pytorch")])
late = {"json", "tomllib", "psutil", "engines.supervision.supervisor", "engines.monitors", "engines.runs.directory"}
sys.exit(" ".join(late & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert not done.stderr.strip()


def test_the_engines_import_no_screen() -> None:
    loaded = modules_after(
        "import engines.api, engines.tools.doctor, engines.supervision.supervisor, engines.worker.channel"
    )
    assert not loaded & (FRAMEWORKS | {"tui", "textual", "rich"})


def test_a_worker_imports_little() -> None:
    loaded = modules_after("import engines.worker.channel, engines.worker.trainer")
    assert not loaded & (FRAMEWORKS | {"tui", "textual", "rich", "psutil", "platformdirs", "pynvml"})


def test_a_supervisor_needs_the_standard_library_alone() -> None:
    loaded = modules_after("import engines.supervision.supervisor, engines.monitors.gpu, engines.preset_configs")
    assert not loaded & (FRAMEWORKS | {"tui", "textual", "rich", "psutil", "platformdirs", "pynvml", "numpy"})


def test_version_and_help_are_quick_to_import() -> None:
    loaded = modules_after("import tui.cli.main\ntui.cli.main.main(['--version'])")
    assert not loaded & (FRAMEWORKS | {"textual", "rich", "numpy", "psutil", "platformdirs"})


def test_what_a_bug_report_needs_imports_no_framework_and_no_screen() -> None:
    loaded = modules_after("import tui.cli.main\nassert tui.cli.main.main(['about']) == 0")
    assert not loaded & (FRAMEWORKS | {"textual", "rich", "numpy", "psutil", "pynvml"})


def test_typed_packages_have_a_marker_for_type_checkers() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert "Typing :: Typed" in project["project"]["classifiers"]
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert resources.files(package).joinpath("py.typed").is_file()


@pytest.mark.framework
@pytest.mark.parametrize(("engine", "own"), [("pytorch", {"torch"}), ("keras", {"tensorflow", "keras"})])
def test_each_engine_imports_only_its_own_framework(engine: str, own: set[str]) -> None:
    code = f"import engines.{engine}.engine, json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    assert set(results_of(engine, code, code=True)) & FRAMEWORKS == own
