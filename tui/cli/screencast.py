"""Export a run as a moving picture: the part of `mnist-tui export` that needs the app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.api import ExportError
from tui import formatting
from tui.cli import arguments
from tui.reports import export
from tui.terminal import display
from tui.theme_names import THEME_NAMES

FORMATS = ("cast", "gif")
OPTIONS = ("size", "speed", "fps", "theme", "font")
"""The options that only these formats have."""
LEAST_SIZE, MOST_SIZE = (20, 8), (400, 120)
MAX_FPS = 50
"""The most frames per second that browsers show of a GIF."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a moving picture."""
    group = parser.add_argument_group("cast and gif")
    group.add_argument("--size", type=_size, metavar="CxR", help="columns and rows (120x34)")
    group.add_argument(
        "--speed",
        metavar="X",
        help="how fast the run plays: 1, 10, ... (1; faster where the picture would last over 30 seconds)",
    )
    group.add_argument(
        "--fps",
        type=arguments.integer_between(1, MAX_FPS),
        metavar="N",
        help=f"frames per second, at most {MAX_FPS} (10)",
    )
    group.add_argument("--theme", choices=THEME_NAMES, help="colours (mnist-dark)")
    group.add_argument(
        "--font", type=arguments.path, metavar="FILE", help="the font file of a gif (a monospaced font of this system)"
    )


def write(recording: Path, form: str, target: Path, options: argparse.Namespace) -> int:
    """Record the run's replay and write it to a file; return the exit code. Raises UsageError, ExportError and OSError."""
    from tui.screencast import asciicast
    from tui.screencast.recorder import Interrupted
    from tui.screencast.replay import SIZE, record_replay

    speed = None if options.speed is None else arguments.speed(options.speed)
    export.check_file(target, force=options.force)  # before the work
    font = _font(options.font) if form == "gif" else None
    try:
        screencast = record_replay(
            recording,
            size=options.size or SIZE,
            speed=speed,
            fps=options.fps or 10,
            theme=options.theme or "",
            on_frame=_progress(),
        )
    except Interrupted as error:
        return error.code

    def write_screencast(path: Path) -> None:
        if font is not None:
            from tui.screencast import gif

            gif.write(screencast, path, font)
        else:
            title = f"mnist-tui: {formatting.to_plain_text(export.run_name(recording))}"
            asciicast.write(screencast, path, title=title, timestamp=export.start_time(recording))

    export.write_file(target, write_screencast, force=options.force)
    return 0


def _font(path: str) -> Any:
    """Return the font of a GIF. Raises ExportError."""
    try:
        from tui.screencast import gif
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "PIL":
            raise
        raise ExportError("A gif needs Pillow: install it with `pip install 'mnist-tui[export]'`.") from error
    return gif.load_font(path)


def _progress() -> Callable[[int, int], None]:
    """Return the function that shows the progress on the terminal of stderr, which the app replaces while it runs."""
    stream = sys.stderr
    is_shown = display.can_rewrite(stream)

    def show(done: int, total: int) -> None:
        if is_shown and (done % 10 == 0 or done == total):
            text = f"\rrecording: {done} of {total} frames\x1b[K"
            print(text, end="\n" if done == total else "", file=stream, flush=True)

    return show


def _size(text: str) -> tuple[int, int]:
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size, write 120x34")
    size = int(columns), int(rows)
    if not all(least <= count <= most for least, count, most in zip(LEAST_SIZE, size, MOST_SIZE, strict=True)):
        limits = " to ".join(f"{count[0]}x{count[1]}" for count in (LEAST_SIZE, MOST_SIZE))
        raise argparse.ArgumentTypeError(f"{text!r} is out of range, from {limits}")
    return size
