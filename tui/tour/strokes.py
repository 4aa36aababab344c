"""The ten digits as the keys that draw them on the Draw screen, and as the images that result."""

from __future__ import annotations

from pathlib import Path

from engines import api

KEYS = {
    "r": "right", "l": "left", "u": "up", "d": "down", "ur": "pageup", "ul": "home", "dr": "pagedown", "dl": "end",
}  # fmt: skip
START = 14
"""The column and the row of the pen on a cleared pad."""


def keys_for(digit: int) -> list[str]:
    """Return the keys that draw the digit, from the middle of a cleared pad."""
    lines = Path(__file__).with_name("strokes.txt").read_text(encoding="utf-8").splitlines()
    words = next(line[2:].split() for line in lines if line.startswith(f"{digit}:"))
    keys: list[str] = []
    for word in words:
        direction = word.rstrip("0123456789")
        keys += ["enter"] if word == "_" else [KEYS[direction]] * int(word.removeprefix(direction))
    return keys


def draw_digit(digit: int) -> api.Canvas:
    """Return the canvas after those keys, drawn as the Draw screen draws."""
    canvas, x, y, down = api.Canvas(), START, START, False
    for key in keys_for(digit):
        if key == "enter":
            down = not down
            if down:
                canvas.begin_stroke()
                canvas.line(x + 0.5, y + 0.5, x + 0.5, y + 0.5)
            continue
        to_x = x + (key in ("right", "pageup", "pagedown")) - (key in ("left", "home", "end"))
        to_y = y + (key in ("down", "end", "pagedown")) - (key in ("up", "home", "pageup"))
        if down:
            canvas.line(x + 0.5, y + 0.5, to_x + 0.5, to_y + 0.5)
        x, y = to_x, to_y
    return canvas
