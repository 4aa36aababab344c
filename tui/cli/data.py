"""Show where the digits are, or download them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engines.api import EXPECTED_FILES, ConfigError, DataError, find_digits, missing_copy, paths
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import CommandError
from tui.terminal import display

EXAMPLES = (
    ("mnist-tui data", "which copies were found"),
    ("mnist-tui data --fetch", "download MNIST now (11 MB)"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui data`."""
    parser.add_argument(
        "--fetch", action="store_true", help="download the digits now if they are missing, as a run would"
    )
    arguments.add_dataset_option(parser)
    arguments.add_data_dir_option(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(options: argparse.Namespace) -> int:
    """List the copies of MNIST on this machine, or load one. Raises CommandError when there is none where it should be."""
    data_dir = Path(options.data_dir) if options.data_dir else None
    if options.fetch:
        _fetch(options.dataset, data_dir, as_json=options.json)
    else:
        _list_copies(data_dir, as_json=options.json)
    return 0


def _list_copies(data_dir: Path | None, *, as_json: bool) -> None:
    copies = find_digits(data_dir, paths.cache_dir())
    missing = missing_copy(data_dir, copies)
    if as_json:
        print(json.dumps([{"kind": copy.kind, "path": str(copy.path), "origin": copy.origin} for copy in copies]))
    else:
        for copy in copies:
            print(formatting.to_plain_text(f"{copy.origin:15} {copy.path}"))
    if missing:
        raise CommandError(f"{missing} {EXPECTED_FILES}")
    if not copies and not as_json:
        print("No MNIST on this machine. `mnist-tui data --fetch` downloads it; offline, digits are drawn.")


def _fetch(dataset: str, data_dir: Path | None, *, as_json: bool) -> None:
    from engines.api import load_digits  # needs numpy, which the list of copies does not

    try:
        digits = load_digits(dataset, data_dir, cache_dir=paths.cache_dir(), on_progress=_show_progress)
    except (DataError, ConfigError) as error:
        if display.can_rewrite(sys.stderr):
            print(file=sys.stderr)  # ends the line of the progress
        raise CommandError(f"{error} {getattr(error, 'hint', '')}".rstrip()) from None
    facts = {
        "dataset": digits.dataset,
        "source": digits.source,
        "sha256": digits.sha256,
        "train_size": len(digits.train_labels),
        "test_size": len(digits.test_labels),
    }
    if as_json:
        print(json.dumps(facts))
    else:
        for name, value in {**facts, "dataset": formatting.digits_name(digits.dataset)}.items():
            print(formatting.to_plain_text(f"{name:11} {value}"))


def _show_progress(done: int, total: int, source: str) -> None:
    if display.can_rewrite(sys.stderr):
        text = f"{formatting.size(done)} of {formatting.size(total)} from {formatting.to_plain_text(source)}"
        print(f"\r{text}\x1b[K", end="\n" if done >= total else "", file=sys.stderr)
