"""Open the app: what `mnist-tui` does without a command. Imports nothing heavy before it has to, as --help is here."""

from __future__ import annotations

import contextlib
import os
import sys

from tui.cli import arguments
from tui.cli.arguments import UsageError
from tui.terminal import display, streams
from tui.theme_names import AUTO

TYPE_CHECKING = False  # as in tui.cli.main
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from engines.api import RunRequest, RunSource
    from tui.app import MnistApp


EXAMPLES = (
    ("mnist-tui tour", "a guided tour; needs no framework"),
    ("mnist-tui", "open the app, choose, and start with s"),
    ("mnist-tui --start --preset quick", "train both at once, a short run"),
    ("mnist-tui --framework keras --device cpu", "one framework alone, on a device"),
    ("mnist-tui --start --mode time-trial", "in turns, each with the whole machine"),
    ("mnist-tui --resume RUN", "continue a run"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the app."""
    parser.description = f"{parser.description}\nSettings that you leave out are those used last."
    arguments.add_training_options(parser)
    parser.add_argument("--start", action="store_true", help="start training at once")
    parser.add_argument(
        "--plain", action="store_true", help="start training at once, and print lines instead of opening the app"
    )
    arguments.add_on_end_option(parser)
    arguments.add_captions_option(parser)
    arguments.add_screen_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the app; where no screen can be drawn, train in plain lines if training was asked for. Raises UsageError."""
    request = arguments.request(options)
    lacks = "" if options.plain else display.missing()
    if options.plain or (lacks and options.start):
        return _train_in_lines(options, request)
    if lacks:
        raise UsageError(f"The app needs {lacks}. Use `mnist-tui train`, or --plain.")
    return _open(options)


def _train_in_lines(options: argparse.Namespace, request: RunRequest) -> int:
    from tui.cli import train

    arguments.report_config_problems()
    specs, runs_dir, resume = arguments.specs(options), arguments.runs_dir(options), arguments.resume_folder(options)
    train.check_paths(specs, request, runs_dir)
    return train.train(
        specs,
        request,
        runs_dir,
        json_lines=False,
        bars=False,
        resume=resume,
        captions=options.captions,
        on_end=options.on_end,
    )


def _open(options: argparse.Namespace) -> int:
    from pathlib import Path

    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from engines.api import engine_spec
    from tui import preferences
    from tui.app import MnistApp
    from tui.on_end import OnEnd

    saved = preferences.load(preferences.default_path())
    valid, invalid = preferences.valid_settings(saved)
    resume = arguments.resume_folder(options)
    app = MnistApp(
        [engine_spec("pytorch", options.pytorch_python), engine_spec("keras", options.keras_python)],
        arguments.request(options, {} if resume else valid),
        theme=theme(options, saved),
        start=options.start,
        resume=resume,
        fps=frames_per_second(options),
        runs_dir=Path(arguments.runs_dir(options)),
        ascii_only=ascii_only(options),
        captions=options.captions,
        preferences_file=preferences.default_path(),
        warnings=[*arguments.startup_problems(options), *preferences.problems(preferences.default_path(), invalid)],
    )
    app.uses_mouse = not options.no_mouse
    app.notices = preferences.notices(saved)
    app.opens_gpu_wall = not (options.start or resume)
    app.on_end = OnEnd(options.on_end) if options.on_end else None
    code = app.run_guarded()
    if not app.is_web:  # in a browser, no screen is left to print on
        print_summary(app)
    if app.on_end is not None:  # the app's end may have been that of its run
        app.on_end.run_if_due(app.session)
    return code


def print_summary(app: Any) -> None:
    """Print how each engine's run ended, on the terminal's own screen, after the app has closed."""
    from tui.reports import run_summary

    app.session.drain()
    with contextlib.suppress(OSError):  # its window was closed
        for line in run_summary.closing_lines(app.session):
            print(line)
    streams.write_out(sys.stdout)


# Shared with the replay and the watched run


def make_app(options: argparse.Namespace, session: RunSource) -> MnistApp:
    """Make the app that shows a recording or the run of another process."""
    from pathlib import Path

    from tui import preferences
    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from tui.app import MnistApp

    saved = preferences.load(preferences.default_path())
    app = MnistApp(
        theme=theme(options, saved),
        session=session,
        runs_dir=Path(arguments.runs_dir(options)),
        fps=frames_per_second(options),
        ascii_only=ascii_only(options),
        captions=options.captions,
    )
    app.uses_mouse = not options.no_mouse
    app.notices = preferences.notices(saved)
    return app


def theme(options: argparse.Namespace, saved: dict[str, Any]) -> str:
    """Return the theme of the command line, or else the saved one, or else "auto"."""
    name = options.theme or saved.get("theme")
    return name if isinstance(name, str) else AUTO


def frames_per_second(options: argparse.Namespace) -> int:
    """Return how often the screen is drawn."""
    return 2 if options.slow else int(options.fps)


def ascii_only(options: argparse.Namespace) -> bool:
    """Return whether to draw in ASCII: on request, or where the terminal has no other characters."""
    from engines.api import has_braille

    return options.ascii or not _is_utf8() or has_braille(os.environ.get("TERM", "")) is False


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
