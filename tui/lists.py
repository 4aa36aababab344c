"""Lists, and the selects of the form, in terminals too small to show a line of them."""

from __future__ import annotations

from typing import Literal

from textual.widgets import OptionList


def expect_no_room() -> None:
    """Let a page up or down do nothing where the list has no line: Textual 8.2 looks one up and ends the app by a KeyError."""
    move = OptionList._move_page

    def _move_page(self: OptionList, direction: Literal[-1, 1]) -> None:
        if self._lines:
            move(self, direction)

    setattr(OptionList, "_move_page", _move_page)  # noqa: B010  # mypy forbids to assign to a method
