"""Show a run of another process live, from its record."""

from __future__ import annotations

import argparse

from tui.cli import arguments
from tui.cli.app import make_app, print_summary
from tui.cli.arguments import UsageError
from tui.terminal import display

EXAMPLES = (
    ("mnist-tui watch --last", "the run that began last"),
    ("mnist-tui watch RUN", "also one on another machine that shares the folder"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui watch`."""
    arguments.add_live_run_arguments(parser)
    arguments.add_captions_option(parser)
    arguments.add_screen_options(parser)


def run(options: argparse.Namespace) -> int:
    """Open the app on the run, and print how it ended. Raises UsageError when there is no such run, or no screen for it."""
    from engines.api import Watch

    folder = arguments.live_run_folder(options)
    if lacks := display.missing():
        raise UsageError(f"Watching needs {lacks}.")
    try:
        session = Watch(folder)
    except ValueError as error:
        raise UsageError(str(error)) from None
    app = make_app(options, session)
    code = app.run_guarded()
    if not app.is_web:
        print_summary(app)
    return code
