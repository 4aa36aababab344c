"""Screens whose size changes twice before they hear of it."""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen


def expect_outdated_sizes() -> None:
    """Lay a screen out at the app's present size, whatever size a message names.

    Textual answers each new layout with a message that names its size. Two sizes that are on their way at once would follow each
    other for ever: the app draws without end, and hears no key.
    """
    resized = Screen._screen_resized

    def _screen_resized(self: Screen[object], size: Size) -> None:
        resized(self, self.app.size)

    setattr(Screen, "_screen_resized", _screen_resized)  # noqa: B010  # mypy forbids to assign to a method
