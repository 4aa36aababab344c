"""Give a guided tour of the app over a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from tui.cli import arguments
from tui.cli.app import ascii_only, frames_per_second, theme
from tui.cli.arguments import UsageError
from tui.terminal import display

EXAMPLES = (
    ("mnist-tui tour", "three minutes, at your own pace"),
    ("mnist-tui tour --auto", "for a booth: it goes on by itself"),
    ("mnist-tui tour FILE", "a tour of your own"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui tour`."""
    parser.add_argument(
        "file",
        nargs="?",
        type=arguments.path,
        metavar="FILE",
        help="a tour of your own, in TOML (the one that is shipped)",
    )
    parser.add_argument(
        "--auto", action="store_true", help="for a booth: start over at the end, until a key is pressed"
    )
    parser.add_argument("--speed", default="1", metavar="X", help="how fast: 1, 2, 0.5, ... (1)")
    arguments.add_runs_dir_option(parser)
    arguments.add_screen_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the app with the tour. Raises UsageError when it can't be given, or there is no screen to give it on."""
    from tui import preferences
    from tui.cli.replay import read_recording
    from tui.tour.chapters import DEMO_TOUR, TourError, read_tour

    clock_speed = arguments.speed(options.speed)
    try:
        tour = read_tour(Path(options.file) if options.file else DEMO_TOUR)
    except TourError as error:
        raise UsageError(str(error)) from None
    events, path = read_recording(tour.recording, options)
    if lacks := display.missing():
        raise UsageError(f"A tour needs {lacks}.")
    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from engines.api import Replay
    from tui.tour.app import TourApp
    from tui.tour.clock import TourClock

    clock = TourClock(clock_speed)
    app = TourApp(
        tour,
        Replay(events, clock=clock, folder=path.parent),
        clock,
        auto=options.auto,
        theme=theme(options, preferences.load(preferences.default_path())),
        runs_dir=Path(arguments.runs_dir(options)),
        fps=frames_per_second(options),
        ascii_only=ascii_only(options),
    )
    app.uses_mouse = not options.no_mouse
    return app.run_guarded()
