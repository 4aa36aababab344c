"""Prove that both frameworks train the same thing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from engines.api import KNOWN_DIFFERENCES, ParityError, ParityRow, paths, plural, prove, to_plain
from tui.cli import arguments
from tui.cli.arguments import CommandError
from tui.terminal import display

EXAMPLES = (
    ("mnist-tui parity", "in full: a minute or two"),
    ("mnist-tui parity --quick", "without the comparison of an epoch"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui parity`."""
    parser.add_argument("--quick", action="store_true", help="leave out the comparison over a full epoch")
    parser.add_argument("--json", action="store_true", help="print the comparisons as JSON")
    parser.add_argument(
        "--seed", type=arguments.setting("seed"), default=0, metavar="N", help="seed of weights and batch order (0)"
    )
    arguments.add_dataset_option(parser)
    arguments.add_data_dir_option(parser)
    arguments.add_python_options(parser)
    arguments.add_backend_option(parser)


def run(options: argparse.Namespace) -> int:
    """Compare both engines; return 1 when a check fails. Raises CommandError when they can't be compared."""
    options.framework = "both"
    live = display.can_rewrite(sys.stderr) and not options.json
    clear_line = "\r\x1b[K" if live else ""
    steps_done: dict[str, str] = {}

    def show_progress(engine: str, step: int, steps: int) -> None:
        if live:
            steps_done[engine] = f"{engine} {step:,} of {plural(steps, 'step')}"
            print(clear_line + "   ".join(steps_done.values()), end="", file=sys.stderr, flush=True)

    if live:
        print("Comparing both engines …", end="", file=sys.stderr, flush=True)
    try:
        rows = prove(
            arguments.specs(options),
            cache_dir=paths.cache_dir(),
            seed=options.seed,
            data_dir=options.data_dir,
            dataset=options.dataset,
            full_epoch=not options.quick,
            on_progress=show_progress,
        )
    except ParityError as error:
        raise CommandError(str(error)) from None
    finally:
        print(clear_line, end="", file=sys.stderr, flush=True)
    passed = all(row.passed for row in rows)
    if options.json:
        plain = [to_plain(row) for row in rows]
        print(json.dumps({"passed": passed, "rows": plain, "cannot_match": KNOWN_DIFFERENCES}))
    else:
        _print_table(rows)
    return 0 if passed else 1


def _print_table(rows: Sequence[ParityRow]) -> None:
    width = max(len(row.what) for row in rows)
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            print(part)
        mark = "    " if not row.tolerance else "pass" if row.passed else "FAIL"
        print(f"  {mark}  {row.what:{width}}  {row.value:>23}  {row.tolerance}".rstrip())
    print(KNOWN_DIFFERENCES)
    checks = [row for row in rows if row.tolerance]
    passed = sum(row.passed for row in checks)
    verdict = "Same experiment" if passed == len(checks) else "NOT the same experiment"
    print(f"{verdict}: {passed} of {plural(len(checks), 'check')} passed.")
