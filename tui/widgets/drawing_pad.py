"""The sheet that one draws on, by mouse and by keyboard."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.message import Message

from engines import api
from tui.widgets.pixel_image import PixelImage

SIZE = 28
MIDDLE = (SIZE // 2, SIZE // 2)


class DrawingPad(PixelImage):
    """A canvas with a pen on it; says `Drawn` whenever it has changed."""

    class Drawn(Message):
        """There is something else on the sheet now."""

    def __init__(self) -> None:
        super().__init__(SIZE, SIZE, id="sheet")
        self.canvas = api.Canvas()
        self.at = MIDDLE
        """The pixel under the keyboard's pen."""
        self.down = False
        self.erasing = False
        self._dragged_from: tuple[float, float] | None = None
        self._fine = False
        """Whether the terminal has said where the mouse is inside of a cell: then it always does."""

    # By keyboard

    def toggle_pen(self) -> None:
        """Down, which makes a dot, or up."""
        self.down = not self.down
        if self.down:
            self.canvas.begin_stroke()
            self._line(_centre(self.at), _centre(self.at))
        self.redraw()

    def move(self, dx: int, dy: int) -> None:
        """To the next pixel, drawing when the pen is down; not off the sheet."""
        before = self.at
        self.at = min(max(before[0] + dx, 0), SIZE - 1), min(max(before[1] + dy, 0), SIZE - 1)
        if self.down:
            self._line(_centre(before), _centre(self.at))
        self.redraw()

    def clear(self) -> None:
        """A blank sheet, the pen up and in its middle."""
        self.canvas.clear()
        self.down, self.at = False, MIDDLE
        self._changed()

    def undo(self) -> None:
        """Take back the last stroke."""
        self.canvas.undo()
        self.down = False
        self._changed()

    def set_image(self, image: Any) -> None:
        """Lay an image (28, 28) of grey values on it."""
        self.canvas.set_image(image)
        self.down = False
        self._changed()

    # By mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A stroke begins; the right button erases."""
        self.capture_mouse()
        self.canvas.begin_stroke()
        self.down = False
        self._dragged_from = here = self._point(event)
        self._line(here, here, erase=event.button == 3)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The stroke goes on."""
        if self._dragged_from is not None:
            here = self._point(event)
            self._line(self._dragged_from, here, erase=event.button == 3)
            self._dragged_from = here

    def on_mouse_up(self) -> None:
        """The stroke ends."""
        self._dragged_from = None
        self.release_mouse()

    def _point(self, event: events.MouseEvent) -> tuple[float, float]:
        """Where on the sheet: finer than a cell where the terminal says so, else the middle of the cell."""
        x, y = event.pointer_x, event.pointer_y
        self._fine = self._fine or x != int(x) or y != int(y)
        if not self._fine:
            x, y = x + 0.5, y + 0.5
        return x / self.scale, 2 * y / self.scale

    # Both

    def _line(self, a: tuple[float, float], b: tuple[float, float], *, erase: bool = False) -> None:
        self.canvas.line(*a, *b, erase=erase or self.erasing)
        self._changed()

    def _changed(self) -> None:
        self.redraw()
        self.post_message(self.Drawn())

    def redraw(self) -> None:
        """Show the canvas and where the pen is."""
        self.show(self.canvas.pixels(), self.at if self._dragged_from is None else None)


def _centre(pixel: tuple[int, int]) -> tuple[float, float]:
    return pixel[0] + 0.5, pixel[1] + 0.5
