"""Check everything that a run needs."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from pathlib import Path

from engines.api import diagnose, paths, to_plain
from tui import formatting
from tui.cli import arguments

FAULT_EXIT_CODE = 3
_INDENT = " " * 17
"""Indents what follows the first line of a finding, beneath its text."""
_MARKS = {"ok": "✓", "note": "·", "bad": "✗"}


EXAMPLES = (
    ("mnist-tui doctor", "everything, in some ten seconds"),
    ("mnist-tui doctor --framework keras --json", "one framework, for a program"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui doctor`."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--framework", choices=("pytorch", "keras", "both"), help="which framework to check (both)")
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)
    arguments.add_data_dir_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print each finding when it is made; return 3 when a chosen engine can't run as it should."""
    data_dir = Path(options.data_dir) if options.data_dir else None
    findings = []
    for finding in diagnose(arguments.specs(options), data_dir, paths.cache_dir(), paths.runs_dir()):
        findings.append(finding)
        if not options.json:
            print(
                _wrap(formatting.to_plain_text(f"{_MARKS[finding.state]} {finding.subject:14} {finding.text}")),
                flush=True,
            )
            if finding.fix:
                print(formatting.to_plain_text(f"{_INDENT}→ {finding.fix}"), flush=True)
    if options.json:
        print(json.dumps([to_plain(finding) for finding in findings], indent=1))
    return FAULT_EXIT_CODE if any(finding.state == "bad" for finding in findings) else 0


def _wrap(line: str) -> str:
    """Wrap a finding to the width of the terminal; elsewhere, as in a file to search, it stays on one line."""
    if not sys.stdout.isatty():
        return line
    columns = shutil.get_terminal_size().columns
    return textwrap.fill(
        line, max(columns, 40), subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
