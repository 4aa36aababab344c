"""Show the code of both scripts and of both engines side by side, with its length, and every hyperparameter."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from engines.api import ENGINES, RULE, TITLES, display_name
from tui.cli import arguments, presets
from tui.reports import source_columns

EXAMPLES = (
    ("mnist-tui code | less", "in pages"),
    ("mnist-tui code --no-hyperparameters", "the code alone, which is quicker"),
)
WIDTHS = 40, 1000
"""The fewest and the most columns of the listing."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui code`."""
    parser.add_argument(
        "--width",
        type=arguments.integer_between(*WIDTHS),
        metavar="N",
        help=f"columns for both engines, {WIDTHS[0]} to {WIDTHS[1]} (the terminal's, or 160)",
    )
    parser.add_argument("--no-hyperparameters", action="store_true", help="print the code alone, which is quicker")
    parser.add_argument("--json", action="store_true", help="print sections and counts as JSON")
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the scripts, the engines, and the reference's hyperparameters. Raises CommandError when a library can't be read."""
    options.framework = "both"
    backend = options.keras_backend or "tensorflow"
    scripts, sources = source_columns.read_script_pairs(ENGINES), source_columns.read_pairs(ENGINES, backend)
    if options.json:
        print(json.dumps(source_columns.plain(ENGINES, scripts, sources)))
        return 0
    width = options.width or shutil.get_terminal_size((160, 24)).columns
    script_titles = [f"{TITLES[engine]}, a script" for engine in ENGINES]
    engine_titles = [f"{display_name(engine, backend)}, this app's engine" for engine in ENGINES]
    for line in source_columns.listing(script_titles, scripts, width):
        print(line)
    print()
    for line in source_columns.listing(engine_titles, sources, width):
        print(line)
    print(f"\nLines: {RULE}.\nA script with your settings: mnist-tui script pytorch, or keras.")
    sys.stdout.flush()  # the table takes some seconds, as both libraries are imported for it
    if not options.no_hyperparameters:
        print()
        presets.print_tables(arguments.specs(options), ["reference"], as_json=False)
    return 0
