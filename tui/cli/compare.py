"""Compare saved runs: figures, verdicts against the first, and the settings that differ."""

from __future__ import annotations

import argparse
import json
import textwrap

from engines.api import ONE_RUN_CAVEAT, read_run
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import UsageError
from tui.reports import comparison
from tui.reports.export import run_name

EXAMPLES = (
    ("mnist-tui compare RUN demo", "two runs, each with both frameworks"),
    ("mnist-tui compare RUN RUN --json", "for a program"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui compare`."""
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help='saved runs, their folders, events.jsonl files, or "demo"'
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    arguments.add_runs_dir_option(parser)
    parser.epilog = f"{arguments.COLD_WARM_HELP}\n\n{textwrap.fill(ONE_RUN_CAVEAT, 78)}"


def run(options: argparse.Namespace) -> int:
    """Print the comparison. Raises UsageError when there is no such run, or one that holds no events."""
    recordings = [arguments.recording(name, options) for name in options.run]
    names = [run_name(path) for path in recordings]
    titles = [name if names.count(name) == 1 else str(path) for name, path in zip(names, recordings, strict=True)]
    runs = [(title, read_run(path.parent, path.name)[0]) for title, path in zip(titles, recordings, strict=True)]
    entries = comparison.entries(runs)
    compared = {entry.run for entry in entries}
    if empty := [name for name, title in zip(options.run, titles, strict=True) if title not in compared]:
        raise UsageError(f"There are no events of a run in {', '.join(empty)}.")
    if options.json:
        figures = [comparison.figures(entry) for entry in entries]
        rest = {"notes": comparison.notes(entries), "differences": comparison.differences(entries)}
        print(json.dumps({"runs": figures, "verdicts": comparison.verdicts(entries), **rest}))
    else:
        for line in comparison.lines(entries):
            print(formatting.to_plain_text(line))
    return 0
