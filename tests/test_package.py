"""The package that users install: built as wheel and sdist, and run in an environment that has nothing else of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from engines.version import __version__
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, folder: Path) -> str:
    """Run a command outside of the project's folder, which Python must not find; return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and unpack it; return its folder."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Build the wheel from the sdist, as pip does where there is no wheel."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", sdist.parent, folder=sdist)
    (path,) = sdist.parent.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment; return its folder of programs.

    The libraries are those of the tests' environment, which would take minutes to install. Its own link to the project is none of
    them: Python reads no .pth file of a folder that a .pth file names.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        folder=folder,
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


def test_the_wheel_has_everything_that_the_program_reads(wheel: Path) -> None:
    """It has every file of both packages, the markers for type checkers among them, and no test."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert {"tui/py.typed", "engines/py.typed", "engines/session/recordings/demo.jsonl"} <= files
    sources = {
        path.relative_to(ROOT)
        for package in ("tui", "engines")
        for path in (ROOT / package).rglob("*")
        if path.is_file()
    }
    assert files == {str(path) for path in sources if path.parent.name != "__pycache__"}


def test_the_sdist_has_what_tests_and_documentation_need(sdist: Path) -> None:
    names = {path.name for path in sdist.iterdir()}
    wanted = {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "SECURITY.md"}
    assert wanted | {"docs", "engines", "pyproject.toml", "tests", "tui"} <= names
    assert (sdist / "tests" / "data" / "runs" / "checkpoint-2" / "pytorch.npz").is_file()


def test_an_installed_program_knows_its_version_and_says_what_a_report_needs(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "mnist-tui", "--version", folder=tmp_path) == f"mnist-tui {__version__}\n"
    facts = json.loads(run(installed / "mnist-tui", "about", "--json", folder=tmp_path))
    assert facts["mnist-tui"] == __version__, "an installed program has no commit"
    assert Path(facts["code"]).is_relative_to(installed.parent)


def test_an_installed_program_replays_the_demo(installed: Path, tmp_path: Path) -> None:
    terminal = Terminal([str(installed / "mnist-tui"), "replay", "demo", "--speed", "max"], tmp_path, PYTHONPATH="")
    try:
        terminal.wait_for("98.29 %")
        terminal.send("q")
        assert terminal.wait_for_exit(20) == 0
        assert terminal.is_restored
    finally:
        terminal.close()


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
