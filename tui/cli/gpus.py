"""Show every GPU: what it does, who holds it, and what slows it down."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from engines.api import GpuHistory, GpuMonitor, to_plain
from tui import formatting
from tui.gpu_rows import GpuRow, gpu_rows, summary
from tui.terminal import display
from tui.widgets.gpu_lines import lines_for, reasons

EXAMPLES = (
    ("mnist-tui gpus", "live on a terminal; ctrl-c ends it"),
    ("mnist-tui gpus --once", "the GPUs now"),
    ("mnist-tui gpus --json --watch", "one object a second, for a program"),
)
SECONDS = 1.0
"""Time between two readings."""
MOST_LINES = 10
"""Lines of one GPU."""
FILE_WIDTH = 160
"""Columns where stdout is no terminal."""
COLORS = {"$accent": "yellow", "$success": "green", "$warning": "yellow", "$error": "red", "$detail": ""}
"""The terminal's own colours, under the names of the app's."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mnist-tui gpus`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="show them once (the default without a terminal)")
    how.add_argument("--watch", action="store_true", help="show them every second (the default on a terminal)")
    parser.add_argument("--json", action="store_true", help="print JSON: once, or with --watch a line every second")
    parser.add_argument("--ascii", action="store_true", help="only ASCII characters")


def run(options: argparse.Namespace) -> int:
    """Show the GPUs once, or until ctrl-c; without a GPU, say why in one sentence."""
    is_screen = display.can_rewrite(sys.stdout)
    watch = options.watch or (is_screen and not options.once and not options.json)
    monitor = GpuMonitor()
    monitor.with_details = True
    gpus: dict[int, GpuHistory] = {}
    try:
        rows, reason = _read(monitor, gpus)
        if rows and not watch:
            pause(SECONDS / 2)  # the throughput of NVLinks needs a second reading
            rows, reason = _read(monitor, gpus)
        while True:
            if options.json:
                print(_as_json(rows, reason, indent=None if watch else 1), flush=True)
            elif rows:
                _print(rows, heat=watch, in_place=watch and is_screen, ascii_only=options.ascii)
            if not rows and not options.json:
                print(f"No GPU can be read here: {reason}.")
            if not rows or not watch:
                return 0
            pause(SECONDS)
            rows, reason = _read(monitor, gpus)
    finally:
        monitor.close()


def pause(seconds: float) -> None:
    """Wait between two readings."""
    time.sleep(seconds)


def _read(monitor: GpuMonitor, gpus: dict[int, GpuHistory]) -> tuple[list[GpuRow], str]:
    """Read the GPUs into their histories; return their rows, and why there are no readings."""
    usage = monitor.sample()
    for reading in usage.readings:
        gpus.setdefault(reading.index, GpuHistory()).add(reading, time.monotonic())
    return gpu_rows(gpus, usage.readings, usage.reason), usage.reason


def _as_json(rows: Sequence[GpuRow], reason: str, indent: int | None) -> str:
    plain = [{**to_plain(row.reading), "visible": row.visible, "lost": row.gone} for row in rows]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return json.dumps({"gpus": plain, "reason": reason, "cuda_visible_devices": visible}, indent=indent)


def _print(rows: Sequence[GpuRow], *, heat: bool, in_place: bool, ascii_only: bool) -> None:
    """Print the rows; in place, as many of their lines as the terminal has."""
    columns, height = display.size() if sys.stdout.isatty() else (FILE_WIDTH, 0)
    most = max((height - 3) // len(rows), 1) if in_place else MOST_LINES
    lines = [Text(f"{summary(rows)}{_visible()}")]
    for row in rows:
        lines += lines_for(row, columns, min(most, MOST_LINES), COLORS, ascii_only=ascii_only, heat=heat)
    lines += [Text(reason) for reason in reasons(rows)]
    console = Console(width=columns, highlight=False)
    with console.capture() as capture:
        shown = lines[: height - 1] if in_place else lines
        console.print(Text("\n").join(shown), no_wrap=in_place, overflow="ellipsis", soft_wrap=not in_place)
    text = capture.get()
    if ascii_only:
        text = text.translate({ord(character): plain for character, plain in formatting.ASCII.items()})
    print("\x1b[H" + text.replace("\n", "\x1b[K\n") + "\x1b[J" if in_place else text, end="", flush=True)


def _visible() -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if visible is None else f", CUDA_VISIBLE_DEVICES={visible!r}"
