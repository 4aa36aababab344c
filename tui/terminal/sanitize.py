"""Line filters that remove what the terminal would obey, and replace what it can't show."""

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
    """Removes control characters from text that comes from outside: names of frameworks, devices and files, messages, logs.

    Control characters have no width, so the layout stays.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without control characters."""
        return [
            Segment(_CONTROL.sub("", segment.text), segment.style, segment.control)
            if _CONTROL.search(segment.text)
            else segment
            for segment in segments
        ]


class OnlyAscii(LineFilter):
    """Replaces borders, dots and arrows by similar ASCII characters, cell by cell, for a terminal that shows only ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII, at the same width."""
        return [
            segment
            if segment.text.isascii()
            else Segment(_FOREIGN.sub(_ascii_for, segment.text), segment.style, segment.control)
            for segment in segments
        ]


class OnBlack(LineFilter):
    """Makes uncoloured text white on black, because the terminal's own background may be light."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in colours that do not depend on the terminal's defaults."""
        return [Segment(segment.text, _on_black(segment.style), segment.control) for segment in segments]


class NoBrightening(LineFilter):
    """Removes bold from coloured text: xterm and others show it brighter, too bright for a light background."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with the first eight colours in normal weight."""
        return [Segment(segment.text, _without_bold(segment.style), segment.control) for segment in segments]


@lru_cache(maxsize=1024)
def _on_black(style: Style | None) -> Style:
    style = style or Style()
    color, background = style.color or _DEFAULT, style.bgcolor or _DEFAULT
    return style + Style(
        color="white" if color.is_default else color, bgcolor="black" if background.is_default else background
    )


@lru_cache(maxsize=1024)
def _without_bold(style: Style | None) -> Style | None:
    if style is None or not style.bold or style.color is None or style.color.type is not ColorType.STANDARD:
        return style
    return style + Style(bold=False) if 0 < (style.color.number or 0) < 8 else style


_DEFAULT = RichColor.default()


def _ascii_for(match: re.Match[str]) -> str:
    return formatting.ASCII.get(match[0], "?" * cell_len(match[0]))
