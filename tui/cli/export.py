"""Write saved runs in another format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engines.api import ExportError, reason
from tui import formatting
from tui.cli import arguments, screencast
from tui.cli.arguments import CommandError, UsageError
from tui.reports import export

EXAMPLES = (
    ("mnist-tui export RUN > run.csv", "every measurement as a table"),
    ("mnist-tui export RUN --to html --out run.html", "a page to send"),
    ("mnist-tui export RUN --to onnx --out models", "both networks for other programs"),
    ("mnist-tui export demo --to gif --out demo.gif", "a moving picture of the app"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui export`."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help=arguments.RECORDING_HELP)
    parser.add_argument(
        "--to",
        choices=(*export.TEXTS, *screencast.FORMATS, *export.FILES),
        default="csv",
        help="the format (csv); the last four need mnist-tui[export]",
    )
    parser.add_argument(
        "--out",
        type=arguments.path,
        default="",
        metavar="PATH",
        help="the file to write; several runs and the last three formats need a folder "
        "(csv, json, markdown and html: stdout; the others: the current folder)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    arguments.add_runs_dir_option(parser)
    screencast.add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print texts or write them to files; write files into a folder. Raises UsageError and CommandError."""
    recordings = [arguments.recording(name, options) for name in options.runs]
    unused = [name for name in screencast.OPTIONS if getattr(options, name) is not None]
    if unused and options.to not in screencast.FORMATS:
        raise UsageError(f"--{unused[0]} is for --to {' and --to '.join(screencast.FORMATS)}.")
    try:
        return next((code for path in recordings if (code := _write(path, options, len(recordings) > 1))), 0)
    except ExportError as error:
        raise CommandError(str(error)) from None


def _write(recording: Path, options: argparse.Namespace, in_folder: bool) -> int:
    """Write a recording to where --out says, or in it; without it, a text to stdout, files into the current folder.

    Returns the exit code. Raises UsageError, ExportError and OSError.
    """
    form, out = options.to, Path(options.out or ".")
    if form not in export.MODELS and (damage := export.damage(recording)):
        print(formatting.to_plain_text(f"mnist-tui: {damage}"), file=sys.stderr)
    if form in export.FILES:
        for path in export.write_files(form, recording, out, force=options.force):
            print(formatting.to_plain_text(str(path)))
    elif form in export.TEXTS and not options.out:
        print(export.text(form, recording), end="")
    else:
        is_folder = in_folder or not options.out or (form in screencast.FORMATS and out.is_dir())
        path = out / f"{export.run_name(recording)}.{export.ending(form)}" if is_folder else out
        if in_folder:
            _make_folder(out)
        if form in screencast.FORMATS:
            if code := screencast.write(recording, form, path, options):
                return code
        else:
            export.write_text(export.text(form, recording), path, force=options.force)
        if is_folder:
            print(formatting.to_plain_text(str(path)))
    return 0


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{path} is not a folder for several runs: {reason(error)}.") from error
