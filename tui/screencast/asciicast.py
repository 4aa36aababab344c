"""Write a screencast as an asciicast (version 2), which asciinema plays in a terminal.

The format: https://docs.asciinema.org/manual/asciicast/v2/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from tui.screencast.cells import Cell, cells
from tui.screencast.recorder import Row, Screencast

START = "\x1b[?25l\x1b[0m\x1b[2J"
"""Hides the cursor and clears the screen. Not the alternate screen: its last picture would vanish at the end."""
END = "\x1b[0m\x1b[?25h"
TERM = "xterm-256color"


def write(screencast: Screencast, path: Path, *, title: str = "", timestamp: float = 0.0) -> None:
    """Write the asciicast; `timestamp` is when it began, in seconds since 1970. Raises OSError."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines(screencast, title=title, timestamp=timestamp):
            file.write(f"{line}\n")


def lines(screencast: Screencast, *, title: str = "", timestamp: float = 0.0) -> Iterator[str]:
    """Yield the header and a line for each frame, as JSON."""
    width, height = screencast.size
    header = {"version": 2, "width": width, "height": height, "timestamp": int(timestamp), "title": title}
    yield json.dumps({**header, "env": {"TERM": TERM}}, ensure_ascii=False)
    before: tuple[Row, ...] = ((),) * height
    for frame in screencast.frames:
        changes = [
            _update(y, old, new) for y, (old, new) in enumerate(zip(before, frame.rows, strict=True)) if old is not new
        ]
        yield _event(frame.t, ("" if any(before) else START) + "".join(changes))
        before = frame.rows
    yield _event(screencast.seconds, END)


def _event(t: float, data: str) -> str:
    return json.dumps([round(t, 6), "o", data], ensure_ascii=False)


def _update(y: int, before: Row, row: Row) -> str:
    """Return what makes row `y` of a terminal out of the one before: from the first cell that differs to the last."""
    old, new = cells(before), cells(row)
    start, end = 0, len(new)
    if len(old) == len(new):
        while start < end and old[start] == new[start]:
            start += 1
        while end > start and old[end - 1] == new[end - 1]:
            end -= 1
    return f"\x1b[{y + 1};{start + 1}H{_text(new[start:end])}" if start < end else ""


def _text(part: list[Cell]) -> str:
    return "".join(style.render("".join(text for text, _ in run)) for style, run in groupby(part, itemgetter(1)))
