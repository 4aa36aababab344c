"""Show versions, paths and the terminal: what a bug report needs. Imports no framework and runs nothing of one."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engines.api import PACKAGES, engine_id, paths, version_and_commit
from tui import formatting, preferences
from tui.cli import arguments
from tui.terminal import display

EXAMPLES = (
    ("mnist-tui about", "to read, or to paste into a report"),
    ("mnist-tui about --json", "for a program"),
)

LIBRARIES = ("textual", "rich", "numpy", "psutil", "nvidia-ml-py")
"""The packages that the app itself runs on."""
TERMINAL = (
    "TERM",
    "COLORTERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TMUX",
    "STY",
    "SSH_TTY",
    "NO_COLOR",
    "LANG",
    "LC_ALL",
)
"""The variables that say what the terminal can show; of those that hold an address or a number, only that they are set."""
_PRESENT = ("TMUX", "STY", "SSH_TTY")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui about`."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)
    arguments.add_runs_dir_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print everything, the user's home folder as ~."""
    facts = dict(_facts(options))
    if options.json:
        print(json.dumps(facts, indent=1))
        return 0
    width = max(map(len, facts))
    for name, text in facts.items():
        print(formatting.to_plain_text(f"{name:{width}}  {text}"))
    return 0


def _facts(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of everything that a report needs."""
    yield "mnist-tui", version_and_commit()
    yield "code", _short(Path(__file__).parents[2])
    yield "Python", f"{platform.python_version()}, {_short(sys.executable)}"
    yield "system", f"{platform.platform()}, {os.cpu_count()} cores"
    yield "libraries", _versions(LIBRARIES, sys.path)
    options.framework = "both"
    for spec in arguments.specs(options):
        packages = [package.module for package in PACKAGES[engine_id(spec.name, spec.backend)]]
        versions = _versions(packages, _package_folders(spec.python))
        yield spec.title, f"{versions}, {_short(spec.python)} ({_short(spec.python_source)})"
    yield "runs", _short(arguments.runs_dir(options))
    yield "digits", _short(paths.cache_dir())
    yield "settings", _short(preferences.default_path())
    yield "config.toml", _short(paths.config_file()) + ("" if paths.config_file().is_file() else " (none)")
    columns, rows = display.size()
    where = f"{columns} x {rows}" if sys.stdout.isatty() or sys.stderr.isatty() else "none"
    set_here = [
        f"{name}={'set' if name in _PRESENT else value}" for name in TERMINAL if (value := os.environ.get(name))
    ]
    yield "terminal", ", ".join([where, *set_here, f"stdout in {sys.stdout.encoding}"])
    variables = sorted(name for name in os.environ if name.startswith(("MNIST_TUI_", "TEXTUAL", "CUDA_VISIBLE")))
    if variables:
        yield "variables", ", ".join(f"{name}={_short(os.environ[name])}" for name in variables)


def _versions(packages: Iterable[str], folders: Sequence[str]) -> str:
    """Return the versions of packages as their metadata in these folders has them."""
    if not folders:
        return "versions unknown"
    texts = []
    for name in packages:
        found = importlib.metadata.distributions(name=name, path=[*folders])
        texts.append(f"{name} {next((one.version for one in found), 'not installed')}")
    return ", ".join(texts)


def _package_folders(python: str) -> Sequence[str]:
    """Return the folders of an interpreter's packages, where virtual environments and systems have them; it is not started."""
    if python == sys.executable:
        return sys.path
    return [*map(str, Path(python).parent.parent.glob("lib/python*/*-packages"))] if os.path.isabs(python) else []


def _short(path: object) -> str:
    """Return a text with the home folder, which may hold a name, as ~."""
    home = os.path.expanduser("~")
    return str(path).replace(home, "~") if len(home) > 1 else str(path)
