"""Show a saved run in the app as if it were live."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli import arguments
from tui.cli.app import make_app
from tui.cli.arguments import UsageError
from tui.terminal import display

if TYPE_CHECKING:
    from engines.api import Event

EXAMPLES = (
    ("mnist-tui replay demo", "the recording that comes with the app"),
    ("mnist-tui replay RUN --speed 10", "ten times as fast; < and > change it"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui replay`."""
    parser.add_argument("run", metavar="RUN", help=arguments.RECORDING_HELP)
    parser.add_argument("--speed", default="1", metavar="X", help="how fast: 1, 10, ... or max (1)")
    arguments.add_runs_dir_option(parser)
    arguments.add_captions_option(parser)
    arguments.add_screen_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the app with the recording. Raises UsageError when there is nothing to show, or no screen to show it on."""
    speed = arguments.speed(options.speed)
    events, path = read_recording(options.run, options)
    if lacks := display.missing():
        raise UsageError(f"A replay needs {lacks}.")
    from engines.api import Replay

    return make_app(options, Replay(events, speed, folder=path.parent)).run_guarded()


def read_recording(run: str, options: argparse.Namespace) -> tuple[list[Event], Path]:
    """Return the events of the recording that `run` names, and its path. Raises UsageError."""
    from engines.api import read_events

    path = arguments.recording(run, options)
    try:
        events = list(read_events(path))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None
    if not events:
        raise UsageError(f"{run} holds no events of mnist-tui.")
    return events, path
