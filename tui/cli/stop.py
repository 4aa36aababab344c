"""Ask a run of another process to finish its step, evaluate, and save its results."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from tui.cli import arguments
from tui.cli.arguments import CommandError

EXAMPLES = (
    ("mnist-tui stop --last", "the run that began last"),
    ("mnist-tui stop RUN --no-wait", "return once the run has heard of it"),
)
ANSWER_SECONDS = 20.0
"""Seconds after which a process that has not answered is given up; it looks for a request each second."""
SUMMARY_SECONDS = 1.0
"""Seconds from the end of a record to its summary, at most."""
POLL_SECONDS = 0.1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui stop`."""
    arguments.add_live_run_arguments(parser)
    parser.add_argument("--no-wait", action="store_true", help="return without waiting for the last evaluation")


def run(options: argparse.Namespace) -> int:
    """Stop the run, and wait for its end. Returns 0 also when it has ended before. Raises UsageError and CommandError."""
    from engines.api import is_pending, reason, request_stop, withdraw_request

    folder = arguments.live_run_folder(options)
    if _has_ended(folder):
        print(f"{folder.name} has already ended.")
        return 0
    if not _is_live(folder):
        raise CommandError(
            f"No process writes {folder.name} any more. Continue it with: mnist-tui train --resume {shlex.quote(str(folder))}"
        )
    try:
        request_stop(folder)
        if not _wait_until(lambda: not is_pending(folder) or not _is_live(folder), ANSWER_SECONDS) or is_pending(
            folder
        ):
            withdraw_request(folder)
            if _has_ended(folder):
                print(f"{folder.name} has already ended.")
                return 0
            raise CommandError(f"The process that trains {folder.name} does not answer.")
    except OSError as error:
        raise CommandError(f"{folder.name} can't be stopped from here: {reason(error)}.") from None
    print(f"{folder.name} finishes its step, evaluates, and saves its results.", flush=True)
    if options.no_wait:
        return 0
    while _is_live(folder):
        time.sleep(POLL_SECONDS)
    if not _has_ended(folder):
        raise CommandError(f"The process that trained {folder.name} has ended without saving the results.")
    print(f"{folder.name} has stopped.")
    return 0


def _is_live(folder: Path) -> bool:
    """Return whether a process trains the run, as far as can be seen from here."""
    from engines.api import is_being_recorded

    return not (folder / "summary.json").is_file() and is_being_recorded(folder) is not False


def _has_ended(folder: Path) -> bool:
    """Return whether the record is complete; its summary comes a moment after its end."""
    return _wait_until((folder / "summary.json").is_file, 0 if _is_live(folder) else SUMMARY_SECONDS)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition at most so long; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
