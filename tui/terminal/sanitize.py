"""The last thing that happens to a line before a terminal gets it: what the terminal would obey, or can't show, is taken out."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color as RichColor, ColorType
from rich.segment import Segment
from rich.style import Style
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


class OnBlack(LineFilter):
    """Paint white on black what has no colour, because the terminal's own ground may be a light one."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments in colours that do not depend on the terminal's ground."""
        return [Segment(segment.text, _on_black(segment.style), segment.control) for segment in segments]


class NoBrightening(LineFilter):
    """Take bold from coloured text: xterm and others show it brighter, too bright for a light ground."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments, the first eight colours in their normal weight."""
        return [Segment(segment.text, _not_brightened(segment.style), segment.control) for segment in segments]


@lru_cache(maxsize=1024)
def _on_black(style: Style | None) -> Style:
    style = style or Style()
    color, ground = style.color or _DEFAULT, style.bgcolor or _DEFAULT
    return style + Style(color="white" if color.is_default else color, bgcolor="black" if ground.is_default else ground)


@lru_cache(maxsize=1024)
def _not_brightened(style: Style | None) -> Style | None:
    if style is None or not style.bold or style.color is None or style.color.type is not ColorType.STANDARD:
        return style
    return style + Style(bold=False) if 0 < (style.color.number or 0) < 8 else style


_DEFAULT = RichColor.default()


def _in_ascii(found: re.Match[str]) -> str:
    return formatting.ASCII.get(found[0], "?" * cell_len(found[0]))
