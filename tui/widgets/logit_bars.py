"""The ten logits of both networks as bars, and the probabilities that softmax makes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from engines.api import TITLES
from tui.charts.sparkline import progress_bar
from tui.widgets.text_line import TextLine


class LogitBars(TextLine):
    """A line for each digit: both engines' logits as bars on one scale, with the figures."""

    DEFAULT_CSS = "LogitBars { height: 11; }"

    def show(self, logits: Mapping[str, Any], colors: Mapping[str, str], *, ascii_only: bool) -> None:
        """Show logits (10,) by engine; the lowest of all has no bar, the highest a whole one."""
        columns = max((self.size.width - 2) // max(len(logits), 1) - 9, 3)
        values = [float(value) for one in logits.values() for value in one if math.isfinite(value)]
        low, high = min(values, default=0.0), max(values, default=1.0)
        lines = [Text("  ")]
        for engine in logits:
            lines[0].append(f"{TITLES.get(engine, engine):{columns + 9}}", style=f"bold {colors[f'${engine}']}")
        for digit in range(10):
            line = Text(f"{digit} ")
            for engine, one in logits.items():
                best = digit == int(one.argmax())
                bar, rest = progress_bar(
                    (float(one[digit]) - low) / ((high - low) or 1.0), columns, ascii_only=ascii_only
                )
                line.append(bar, style=f"{'bold ' * best}{colors[f'${engine}']}")
                line.append(" " * len(rest))
                line.append(f"{one[digit]:7.2f}  ", style="bold" if best else "")
            lines.append(line)
        self.set_text(*lines)
