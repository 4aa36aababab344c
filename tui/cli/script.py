"""Print a stand-alone script that trains with the same settings in one framework, and needs nothing of this program."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from engines.api import (
    ENGINES,
    RESET_BY_PRESET,
    CheckpointError,
    ConfigError,
    ExportError,
    RunRequest,
    read_run,
    read_start,
    render_script,
    to_plain,
)
from tui.cli import arguments
from tui.cli.arguments import CommandError, UsageError
from tui.reports import export

HIDES = (
    "keras", "tensorflow", "pytorch", "torch", "torchvision", "numpy", "jax", "gzip", "os", "pathlib", "collections",
)  # fmt: skip
"""Names of modules: a script with such a name would import itself in their place."""


EXAMPLES = (
    ("mnist-tui script pytorch > train.py", "then python train.py"),
    ("mnist-tui script keras --preset best", "with other settings"),
    ("mnist-tui script keras --run RUN", "with those of a saved run"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui script`."""
    parser.add_argument(
        "framework", metavar="FRAMEWORK", choices=ENGINES, help="pytorch or keras: which script to print"
    )
    parser.add_argument("--run", metavar="RUN", help="with the settings of a saved run; other options change them")
    parser.add_argument(
        "--same-weights",
        type=arguments.path,
        default="",
        metavar="FILE",
        help="start from the weights of a checkpoint (RUN/pytorch.npz), with its settings and order of digits",
    )
    parser.add_argument("--out", type=arguments.path, default="", metavar="FILE", help="write it to a file (stdout)")
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists")
    arguments.add_runs_dir_option(parser)
    arguments.add_setting_options(parser)
    parser.epilog = "A script doesn't stop when the loss diverges, and computes fp32 as its library\ndoes by default."


def run(options: argparse.Namespace) -> int:
    """Print the script, or write it to a file. Raises UsageError and CommandError."""
    if hides_library(options.out):
        raise UsageError(
            f"A script can't be named {Path(options.out).name}: it would hide the library. Choose another name."
        )
    if options.same_weights and not Path(options.same_weights).is_file():
        raise UsageError(f"There is no checkpoint {options.same_weights}.")
    try:
        start = read_start(Path(options.same_weights)) if options.same_weights else None
    except CheckpointError as error:
        raise UsageError(f"{str(error)[0].upper()}{str(error)[1:]}") from None
    if options.run:
        saved = _saved_settings(options)
    else:
        saved = _changes(to_plain(start.config)) if start is not None else {}
        saved = {name: value for name, value in saved.items() if not (options.preset and name in RESET_BY_PRESET)}
    try:
        config = arguments.request(options, saved).config
    except ConfigError as error:  # an option does not fit the saved settings
        raise UsageError(str(error)) from None
    text = render_script(options.framework, config, start)
    if not options.out:
        print(text, end="")
        if hides_library(name := _redirection()):  # the shell has opened the file already
            print(f"mnist-tui: rename {Path(name).name} before you run it: it hides the library.", file=sys.stderr)
        return 0
    try:
        export.write_text(text, Path(options.out), force=options.force)
    except ExportError as error:
        raise CommandError(str(error)) from None
    return 0


def hides_library(path: str) -> bool:
    """Return whether a script with this name would be imported in place of a library that it needs."""
    return Path(path).name.removesuffix(".py") in HIDES


def _redirection() -> str:
    """Return the file that stdout goes to; empty where that is none, or where the system does not tell."""
    try:
        return os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}")
    except (OSError, ValueError):
        return ""


def _saved_settings(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings of the run that --run names: those of this framework, or else of the other. Raises UsageError."""
    recording = arguments.recording(options.run, options)
    histories, _ = read_run(recording.parent, recording.name)
    configs = {engine: history.config for engine, history in histories.items() if history.config is not None}
    if not configs:
        raise UsageError(f"{recording} holds no settings: its run never started.")
    config = configs.get(options.framework) or next(iter(configs.values()))
    return _changes({**to_plain(config), "seeds": 1})  # each run of a series has the number of them all


def _changes(settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that are not defaults."""
    request = RunRequest()
    for name, value in settings.items():
        request = request.choose(name, value)
    return dict(request.settings)
