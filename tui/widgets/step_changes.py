"""One training step in each layer of both networks: the gradient, and how far the step moved the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.text import Text

from engines.api import TITLES, LayerChange, StepMeasured
from tui.charts.sparkline import progress_bar
from tui.widgets.text_line import TextLine

LOWEST, HIGHEST = -6.0, 0.0
"""The ends of the bars: log10 of update / weight."""
HEALTHY = ("As log10: about -3 is healthy, a thousandth", "a step; near -1 it jumps, near -6 it stands.")


class StepChanges(TextLine):
    """A line for each layer and engine: the gradient's norm, and log10 of update / weight as a bar."""

    DEFAULT_CSS = "StepChanges { height: 12; }"

    def show(
        self, steps: Mapping[str, StepMeasured | None], colors: Mapping[str, str], problem: str, *, ascii_only: bool
    ) -> None:
        """Show the measured step of each engine, or the reason why there is none."""
        measured = {engine: step for engine, step in steps.items() if step is not None and step.layers}
        failed = {engine: step.problem for engine, step in steps.items() if step is not None and step.problem}
        lines = [Text(f"{TITLES.get(engine, engine)}: n/a: {why}") for engine, why in failed.items()] or [Text(problem)]
        if measured:
            at = " and ".join(f"{step.global_step:,}" for step in measured.values())
            lines = [
                Text(f"Step{'s' * (len(measured) > 1)} {at}:", style="bold"),
                Text(f"{'':17}gradient update/weight", style="dim"),
            ]
            for i, change in enumerate(next(iter(measured.values())).layers):
                for engine, step in measured.items():
                    heading = change.layer if engine == next(iter(measured)) else ""
                    lines.append(self._line(heading, engine, step.layers[i], colors[f"${engine}"], ascii_only))
            lines += [Text(line, style="dim") for line in HEALTHY]
        self.set_text(*lines)

    def _line(self, heading: str, engine: str, change: LayerChange, color: str, ascii_only: bool) -> Text:
        ratio = log_ratio(change)
        columns = max(min(self.size.width - 36, 30), 6)
        bar, rest = progress_bar((ratio - LOWEST) / (HIGHEST - LOWEST), columns, ascii_only=ascii_only)
        title = TITLES.get(engine, engine)
        return Text.assemble(
            f"{heading:7}",
            (f"{title:8}", color),
            f"{change.gradient:9.1e}  ",
            (bar, color),
            " " * len(rest),
            f"{ratio:6.1f}",
        )


def log_ratio(change: LayerChange) -> float:
    """Return log10 of the update's norm over the weights' norm; minus infinity where nothing moved."""
    if not change.update or not change.weights:
        return -math.inf
    return math.log10(change.update / change.weights)
