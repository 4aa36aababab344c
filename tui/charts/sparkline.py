"""Figures in one row: a history as a sparkline, a fraction as a progress bar."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.-=+*#@"


def sparkline(values: Sequence[float | None], width: int, *, maximum: float, ascii_only: bool = False) -> str:
    """Draw the newest `width` values as blocks, the newest at the right; a missing one is a space."""
    blocks = _ASCII_BLOCKS if ascii_only else _BLOCKS
    shown = list(values)[-width:] if width > 0 else []
    cells = []
    for value in shown:
        if value is None or not math.isfinite(value) or not maximum > 0:
            cells.append(" ")
        else:
            cells.append(blocks[int(min(max(value / maximum, 0.0), 0.999) * len(blocks))])
    return "".join(cells).rjust(max(width, 0))


def progress_bar(fraction: float, width: int, *, ascii_only: bool = False) -> tuple[str, str]:
    """Draw (done, rest) of a progress bar, together `width` cells; they differ without colour too."""
    width = max(width, 0)
    fraction = min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0
    if ascii_only:
        done = round(fraction * width)
        return "=" * done, "-" * (width - done)
    halves = round(fraction * 2 * width)
    done = halves // 2
    if halves % 2:
        return "━" * done + "╸", "─" * (width - done - 1)
    return "━" * done, "─" * (width - done)
