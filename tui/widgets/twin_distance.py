"""The distance of the two networks after each epoch: of their weights, layer by layer, and of their answers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from engines.api import TwinsCompared
from tui.charts.sparkline import sparkline
from tui.widgets.text_line import TextLine

MEANING = ("Weights: |a - b| as a share of their size.", "They are equal before the first step.")
EPOCH_COLUMNS = 40
"""The most epochs that are drawn."""


class TwinDistance(TextLine):
    """A line for each layer and one for the answers: the newest figure, and the epochs so far as a sparkline."""

    DEFAULT_CSS = "TwinDistance { height: 9; }"

    def show(self, compared: Sequence[TwinsCompared], missing: str, *, ascii_only: bool) -> None:
        """Show the comparisons, oldest first, or why or when there is none."""
        if not compared:
            self.set_text(Text("How far apart both are:", style="bold"), Text(missing, style="dim"))
            return
        newest, columns = compared[-1], max(min(self.size.width - 28, EPOCH_COLUMNS), 4)
        lines = [Text(f"How far apart after epoch {newest.epoch}:", style="bold")]
        highest = max((distance for one in compared for _, distance in one.layers), default=0.0)
        for i, (layer, distance) in enumerate(newest.layers):
            course = sparkline([one.layers[i][1] for one in compared], columns, maximum=highest, ascii_only=ascii_only)
            lines.append(Text(f"{layer:9}{100 * distance:7.3g} %  {course.strip()}"))
        if newest.answers is not None:
            answers = [one.answers for one in compared]
            most = max(count or 0 for count in answers)
            course = sparkline(
                [None if one is None else float(one) for one in answers], columns, maximum=most, ascii_only=ascii_only
            )
            lines.append(Text(f"answers  {newest.answers:,} of {newest.test_size:,}  {course.strip()}"))
        lines += [Text(line, style="dim") for line in MEANING]
        self.set_text(*lines)
