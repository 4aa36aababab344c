"""Show every hyperparameter of the presets in both libraries."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence

from engines.api import PRESETS, TITLES, EngineSpec, PresetsError, from_settings, paths, tabulate, to_plain
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import CommandError, UsageError

EXAMPLES = (
    ("mnist-tui presets reference", "one table"),
    ("mnist-tui presets best quick --json", "two, for a program"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui presets`."""
    parser.add_argument("preset", nargs="*", metavar="PRESET", help="which presets to show (all)")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), help="which libraries to read (both)")
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print a table for each preset. Raises UsageError, and CommandError when a library can't be read."""
    unknown = [name for name in options.preset if name not in PRESETS]
    if unknown:
        raise UsageError(f"There is no preset {unknown[0]!r}. Known: {', '.join(PRESETS)}.")
    print_tables(arguments.specs(options), options.preset, as_json=options.json)
    return 0


def print_tables(specs: Sequence[EngineSpec], names: Sequence[str], *, as_json: bool) -> None:
    """Print the hyperparameters of the named presets, or of all. Raises CommandError when a library can't be read."""
    configs = {name: from_settings({"preset": name}) for name in names or PRESETS}
    try:
        tables = tabulate(specs, configs, paths.cache_dir())
    except PresetsError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print(json.dumps({preset: [to_plain(row) for row in rows] for preset, rows in tables.items()}))
        return
    for number, (preset, rows) in enumerate(tables.items()):
        print("\n" * bool(number) + f"{preset:30}" + "".join(f"{TITLES.get(e, e):29}" for e in rows[0].values))
        for row in rows:
            if not any(row.values.values()) and not row.defaults:
                continue  # off in both libraries; --json has it
            cells = "".join(f"{_printable(value):28.28} " for value in row.values.values())
            defaults = [f"{TITLES.get(e, e)}: {_printable(value)}" for e, value in row.defaults.items()]
            untouched = f" left alone, {'; '.join(defaults)}" if defaults else ""
            print(f"{' ' if row.same else '≠'} {row.name:28}{cells}{untouched}".rstrip())


def _printable(value: object) -> str:
    """Write a value for the table; where stdout has no mathematical signs, they are spelled out."""
    text = formatting.value(value)
    try:
        "√±".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return re.sub(r"√(\w+)", r"sqrt(\1)", text).replace("±", "+-")
    return text
