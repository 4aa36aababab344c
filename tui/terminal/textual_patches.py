"""Patches of Textual 8.2's faults; each says what it fixes."""

from __future__ import annotations

from typing import Literal

from textual._xterm_parser import XTermParser
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.widgets import OptionList


def fix_zero_pixel_size() -> None:
    """Read mouse positions as cells where the terminal reports its size in pixels as 0, which means unknown.

    Textual divides by that size, so the app would end at the first move of the mouse (Textualize/textual#6706).
    """
    parse = XTermParser.parse_mouse_code

    def parse_mouse_code(self: XTermParser, code: str) -> Message | None:
        if self.terminal_pixel_size is not None and not all(self.terminal_pixel_size):
            self.mouse_pixels = False
        return parse(self, code)

    setattr(XTermParser, "parse_mouse_code", parse_mouse_code)  # noqa: B010  # mypy forbids to assign to a method


def fix_empty_option_list() -> None:
    """Ignore page up and page down in an empty list: Textual 8.2 looks up a line and ends the app with a KeyError."""
    move = OptionList._move_page

    def _move_page(self: OptionList, direction: Literal[-1, 1]) -> None:
        if self._lines:
            move(self, direction)

    setattr(OptionList, "_move_page", _move_page)  # noqa: B010  # mypy forbids to assign to a method


def fix_outdated_sizes() -> None:
    """Lay a screen out at the app's current size, whatever size a message names.

    Textual answers each layout with a message that names its size. Two different sizes in the queue would replace each other for
    ever: the app would draw without end and handle no key.
    """
    resized = Screen._screen_resized

    def _screen_resized(self: Screen[object], size: Size) -> None:
        resized(self, self.app.size)

    setattr(Screen, "_screen_resized", _screen_resized)  # noqa: B010  # mypy forbids to assign to a method
