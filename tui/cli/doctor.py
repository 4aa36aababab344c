"""Check everything that a run needs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engines.api import diagnose, paths, to_plain
from tui import formatting
from tui.cli import arguments

FAULT_EXIT_CODE = 3
_MARKS = {"ok": "✓", "note": "·", "bad": "✗"}


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
            print(formatting.to_plain_text(f"{_MARKS[finding.state]} {finding.subject:14} {finding.text}"), flush=True)
            if finding.fix:
                print(formatting.to_plain_text(f"  {'':14} → {finding.fix}"), flush=True)
    if options.json:
        print(json.dumps([to_plain(finding) for finding in findings], indent=1))
    return FAULT_EXIT_CODE if any(finding.state == "bad" for finding in findings) else 0
