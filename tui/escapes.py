"""The last thing that happens to a line before a terminal gets it: what the terminal would obey, or can't show, is taken out."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui import formatting

_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f{formatting.UNSEEN}]")
_FOREIGN = re.compile(r"[^\x00-\x7f]")


class NoEscapes(LineFilter):
    """Words from outside are only words: framework, device and file names, messages, logs, whatever pane shows them.

    None of these characters is a cell wide, so nothing moves.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without what is no character to see."""
        return [
            Segment(_CONTROL.sub("", segment.text), segment.style, segment.control)
            if _CONTROL.search(segment.text)
            else segment
            for segment in segments
        ]


class OnlyAscii(LineFilter):
    """For a terminal that can show nothing else: borders, dots and arrows become what resembles them, cell by cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments in ASCII, as wide as before."""
        return [
            segment
            if segment.text.isascii()
            else Segment(_FOREIGN.sub(_in_ascii, segment.text), segment.style, segment.control)
            for segment in segments
        ]


def _in_ascii(found: re.Match[str]) -> str:
    return formatting.ASCII.get(found[0], "?" * cell_len(found[0]))
