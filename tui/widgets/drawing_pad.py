"""The pad to draw a digit on, with the mouse or the keyboard."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.message import Message

from engines import api
from tui.widgets.pixel_image import PixelImage

SIZE = 28
MIDDLE = (SIZE // 2, SIZE // 2)


class DrawingPad(PixelImage):
    """A canvas with a pen. Posts `Changed` whenever the drawing changes."""

    class Changed(Message):
        """Posted when the drawing has changed."""

    def __init__(self) -> None:
        super().__init__(SIZE, SIZE, id="sheet")
        self.canvas = api.Canvas()
        self.pen = MIDDLE
        """The pixel (x, y) under the keyboard's pen."""
        self.pen_down = False
        self.erasing = False
        self._dragged_from: tuple[float, float] | None = None
        self._has_subcell_pointer = False
        """True once the terminal has reported a mouse position inside a cell: from then on it always does."""

    # Keyboard

    def toggle_pen(self) -> None:
        """Lift the pen, or put it down, which draws a dot."""
        self.pen_down = not self.pen_down
        if self.pen_down:
            self.canvas.begin_stroke()
            self._draw_line(_centre(self.pen), _centre(self.pen))
        self.redraw()

    def move(self, dx: int, dy: int) -> None:
        """Move the pen by pixels within the pad; it draws while it is down."""
        before = self.pen
        self.pen = min(max(before[0] + dx, 0), SIZE - 1), min(max(before[1] + dy, 0), SIZE - 1)
        if self.pen_down:
            self._draw_line(_centre(before), _centre(self.pen))
        self.redraw()

    def clear(self) -> None:
        """Erase the drawing, lift the pen and put it back in the middle."""
        self.canvas.clear()
        self.pen_down, self.pen = False, MIDDLE
        self._publish_change()

    def undo(self) -> None:
        """Remove the last stroke."""
        self.canvas.undo()
        self.pen_down = False
        self._publish_change()

    def set_image(self, image: Any) -> None:
        """Replace the drawing with an image of grey values, shape (28, 28)."""
        self.canvas.set_image(image)
        self.pen_down = False
        self._publish_change()

    # Mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Start a stroke; the right button erases."""
        self.capture_mouse()
        self.canvas.begin_stroke()
        self.pen_down = False
        self._dragged_from = point = self._point(event)
        self._draw_line(point, point, erase=event.button == 3)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Continue the stroke."""
        if self._dragged_from is not None:
            point = self._point(event)
            self._draw_line(self._dragged_from, point, erase=event.button == 3)
            self._dragged_from = point

    def on_mouse_up(self) -> None:
        """End the stroke."""
        self._dragged_from = None
        self.release_mouse()

    def _point(self, event: events.MouseEvent) -> tuple[float, float]:
        """Return the mouse's position in pixels: the middle of its cell where the terminal reports nothing finer."""
        x, y = event.pointer_x, event.pointer_y
        self._has_subcell_pointer = self._has_subcell_pointer or x != int(x) or y != int(y)
        if not self._has_subcell_pointer:
            x, y = x + 0.5, y + 0.5
        return x / self.scale, 2 * y / self.scale

    # Drawing

    def _draw_line(self, start: tuple[float, float], end: tuple[float, float], *, erase: bool = False) -> None:
        self.canvas.line(*start, *end, erase=erase or self.erasing)
        self._publish_change()

    def _publish_change(self) -> None:
        self.redraw()
        self.post_message(self.Changed())

    def redraw(self) -> None:
        """Show the canvas, and the pen unless the mouse is drawing."""
        self.show(self.canvas.pixels(), self.pen if self._dragged_from is None else None)


def _centre(pixel: tuple[int, int]) -> tuple[float, float]:
    return pixel[0] + 0.5, pixel[1] + 0.5
