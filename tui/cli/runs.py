"""List the saved runs, or delete old ones."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from engines.api import (
    TRASH,
    FilterError,
    empty_trash,
    engine_id,
    list_runs,
    move_to_trash,
    parse_filter,
    plural,
    prunable_runs,
    size_bytes,
    summarize,
)
from tui import formatting
from tui.cli import arguments
from tui.cli.arguments import UsageError

EXAMPLES = (
    ("mnist-tui runs", "the newest 50"),
    ("mnist-tui runs --filter 'acc>99 preset:best'", "only these"),
    ("mnist-tui runs --prune 100 --yes", "move older ones to the trash"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui runs`."""
    parser.add_argument(
        "--last", type=arguments.integer, default=50, metavar="N", help="how many, the newest first; 0 for all (50)"
    )
    parser.add_argument(
        "--filter", default="", metavar="WORDS", help='list only these, as "preset:best acc>99 state:interrupted"'
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument(
        "--prune",
        type=arguments.integer,
        metavar="N",
        help="move all but the newest N runs to the trash; named runs and baselines stay",
    )
    parser.add_argument("--empty-trash", action="store_true", help="delete what is in the trash for good")
    parser.add_argument(
        "--yes", action="store_true", help="do it; without --yes, only print what would be moved or deleted"
    )
    arguments.add_runs_dir_option(parser)
    parser.epilog = arguments.COLD_WARM_HELP


def run(options: argparse.Namespace) -> int:
    """List runs, newest first, or prune them. Raises UsageError."""
    if options.last < 0 or (options.prune or 0) < 0:
        raise UsageError("--last and --prune must be 0 or more.")
    runs_dir = Path(arguments.runs_dir(options))
    if options.runs_dir and not runs_dir.is_dir():
        raise UsageError(f"There is no folder {runs_dir}.")
    if options.prune is not None or options.empty_trash:
        _prune(runs_dir, options.prune, empty=options.empty_trash, confirmed=options.yes)
        return 0
    try:
        matches = parse_filter(options.filter)
    except FilterError as error:
        raise UsageError(str(error)) from None
    matching = (saved for saved in list_runs(runs_dir) if matches(summarize(saved)))
    listed = list(itertools.islice(matching, options.last or None))
    if options.json:
        print(json.dumps(listed))
        return 0
    if not listed:
        print(formatting.to_plain_text(f"No such runs in {runs_dir}."))
    for saved in listed:
        print(formatting.to_plain_text(_line(saved)))
    if options.last and len(listed) == options.last:
        print(f"The last {options.last}; --last 0 lists all.")
    return 0


def _line(saved: dict[str, Any]) -> str:
    """Describe a saved run in one line."""
    run = summarize(saved)
    changes = f", changed: {run.changes}" if run.changes else ""
    results = []
    for engine, outcome in run.outcome.items():
        accuracy = formatting.percent(run.accuracy[engine]) + formatting.interval(run.interval[engine])
        resumable = ", resumable" if engine in run.resumable else ""
        name = engine_id(engine, run.backend or "tensorflow")
        results.append(f"{name} {outcome} {accuracy} ({run.preset}{changes}{resumable})")
    details = (
        run.created[:16].replace("T", " "),
        run.dataset and formatting.digits_name(run.dataset),
        run.device,
        f"{formatting.clock(run.seconds)} {run.start}".rstrip(),
        run.name,
        "baseline" * run.baseline,
        run.note,
    )
    return "  ".join([run.id, *results, *filter(None, details)])


def _prune(runs_dir: Path, keep: int | None, *, empty: bool, confirmed: bool) -> None:
    """Move all but the newest `keep` runs to the trash, and empty it; or print what would be done."""
    doomed = [] if keep is None else prunable_runs(list(list_runs(runs_dir)), keep)
    for run_id in doomed:
        size = formatting.size(size_bytes(runs_dir / run_id))
        print(formatting.to_plain_text(f"{run_id}  {size}{'' if confirmed else '  would be moved to the trash'}"))
    if not confirmed:
        would = [] if keep is None else [f"{plural(len(doomed), 'run')} would be moved to the trash"]
        if empty:
            in_trash = plural(len(list((runs_dir / TRASH).glob("*"))) + len(doomed), "run")
            would.append(f"{in_trash} in {runs_dir / TRASH} would be deleted for good")
        print(formatting.to_plain_text(f"{', '.join(would)}; --yes does it."))
        return
    for run_id in doomed:
        move_to_trash(runs_dir / run_id)
    if keep is not None:
        print(formatting.to_plain_text(f"{plural(len(doomed), 'run')} moved to {runs_dir / TRASH}."))
    if empty:
        print(f"{plural(empty_trash(runs_dir), 'run')} deleted.")
