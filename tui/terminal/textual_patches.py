"""The mouse in terminals that tell it in pixels."""

from __future__ import annotations

from textual._xterm_parser import XTermParser
from textual.message import Message


def expect_unknown_pixels() -> None:
    """Take the mouse for told in cells where the terminal gives its size in pixels as 0, which means that it does not know.

    Textual divides by that size, and the app would end at the first move of the mouse (Textualize/textual#6706).
    """
    parse = XTermParser.parse_mouse_code

    def parse_mouse_code(self: XTermParser, code: str) -> Message | None:
        if self.terminal_pixel_size is not None and not all(self.terminal_pixel_size):
            self.mouse_pixels = False
        return parse(self, code)

    setattr(XTermParser, "parse_mouse_code", parse_mouse_code)  # noqa: B010  # mypy forbids to assign to a method
