"""Write a saved run in another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from engines.api import ExportError
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import CommandError
from tui.reports import export

EXAMPLES = (
    ("mnist-tui export RUN > run.csv", "every measurement as a table"),
    ("mnist-tui export RUN --to html --out run.html", "a page to send"),
    ("mnist-tui export RUN --to onnx --out models", "both networks for other programs"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui export`."""
    parser.add_argument("run", metavar="RUN", help=arguments.RECORDING_HELP)
    parser.add_argument(
        "--to",
        choices=(*export.TEXTS, *export.FILES),
        default="csv",
        help="the format (csv); the last three need mnist-tui[export]",
    )
    parser.add_argument(
        "--out",
        type=arguments.path,
        default="",
        metavar="PATH",
        help="a file, or a folder for the last three (stdout, or this folder)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    arguments.add_runs_dir_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print texts or write them to a file; write files into a folder. Raises UsageError and CommandError."""
    write(arguments.recording(options.run, options), options.to, options.out, force=options.force)
    return 0


def write(recording: Path, form: str, out: str, *, force: bool) -> None:
    """Write a recording in that format to the path `out`; without one, to stdout or into the current folder.

    Raises CommandError.
    """
    try:
        if form in export.FILES:
            for path in export.write_files(form, recording, Path(out or "."), force=force):
                print(formatting.to_plain_text(str(path)))
        elif out:
            export.write_text(export.text(form, recording), Path(out), force=force)
        else:
            print(export.text(form, recording), end="")
    except ExportError as error:
        raise CommandError(str(error)) from None
