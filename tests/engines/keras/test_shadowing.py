"""The package engines/keras never shadows the library, however a worker is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import engines

PACKAGE = Path(engines.__file__).parent
MAIN = PACKAGE / "worker" / "__main__.py"
PROGRAM = """
import sys
from importlib.util import find_spec
print("found", find_spec("keras").origin)
print("found", find_spec("engines.keras.model").origin, flush=True)
sys.exit()
"""
"""An engine's module, which the worker imports; it looks for both packages where an import statement would find them."""

STARTS: dict[str, tuple[Sequence[str], Path, dict[str, str]]] = {
    "as a file": ([str(MAIN)], Path("/"), {}),
    "in the folder engines": ([str(MAIN)], PACKAGE, {}),
    "in the folder engines, by a relative path": (["worker/__main__.py"], PACKAGE, {}),
    "with engines in PYTHONPATH": ([str(MAIN)], Path("/"), {"PYTHONPATH": str(PACKAGE)}),
    "with engines/ and engines/worker in PYTHONPATH": (
        [str(MAIN)], Path("/"), {"PYTHONPATH": f"{PACKAGE}/{os.pathsep}{PACKAGE / 'worker'}"},
    ),
    "with an empty entry in PYTHONPATH": ([str(MAIN)], PACKAGE, {"PYTHONPATH": os.pathsep}),
    "with PYTHONSAFEPATH": ([str(MAIN)], PACKAGE, {"PYTHONSAFEPATH": "1"}),
    "with PYTHONSAFEPATH and engines in PYTHONPATH": (
        [str(MAIN)], Path("/"), {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(PACKAGE)},
    ),
    "as a module": (["-m", "engines.worker"], PACKAGE.parent, {}),
    "as a module in the folder engines": (["-m", "engines.worker"], PACKAGE, {"PYTHONPATH": str(PACKAGE.parent)}),
    "as a file in the folder worker": (["__main__.py"], PACKAGE / "worker", {}),
}  # fmt: skip
"""The interpreter's arguments, the current folder, and what the environment adds."""


@pytest.mark.parametrize("start", STARTS)
def test_the_worker_imports_the_library(start: str, tmp_path: Path) -> None:
    arguments, folder, added = STARTS[start]
    (tmp_path / "probe.py").write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, *arguments, "keras", "--module", str(tmp_path / "probe.py")]
    pipe = subprocess.PIPE  # the worker ends when its stdin does
    with subprocess.Popen(command, cwd=folder, env=environment | added, stdin=pipe, stdout=pipe, text=True) as worker:
        assert worker.stdout
        lines = worker.stdout.read().splitlines()
    library, package = (line.removeprefix("found ") for line in lines if line.startswith("found "))
    assert not Path(library).is_relative_to(PACKAGE)
    assert Path(library).parent.name == "keras"
    assert Path(package).samefile(PACKAGE / "keras" / "model.py")
