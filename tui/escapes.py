"""The last thing that happens to a line before a terminal gets it: whatever the terminal would obey is taken out."""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class NoEscapes(LineFilter):
    """Words from outside are only words: framework, device and file names, messages, logs, whatever pane shows them.

    Control characters are no cell wide, so nothing moves.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without control characters."""
        return [
            Segment(_CONTROL.sub("", text), style, control) if _CONTROL.search(text) else segment
            for segment in segments
            for text, style, control in (segment,)
        ]
