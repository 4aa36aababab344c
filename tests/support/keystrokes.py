"""The ten digits of `data/digits.txt`: the keys that draw them, and the canvas that results."""

from __future__ import annotations

from pathlib import Path

from engines.data.canvas import Canvas

KEYS = {
    "r": "right", "l": "left", "u": "up", "d": "down", "ur": "pageup", "ul": "home", "dr": "pagedown", "dl": "end",
}  # fmt: skip
_LINES = (Path(__file__).parents[1] / "data" / "digits.txt").read_text(encoding="utf-8").splitlines()
STROKES = {int(line[0]): line[2:].split() for line in _LINES if not line.startswith("#")}


def keys_for(digit: int) -> list[str]:
    """Return the keys that draw the digit, from the middle of a cleared pad."""
    keys: list[str] = []
    for word in STROKES[digit]:
        direction = word.rstrip("0123456789")
        keys += ["enter"] if word == "_" else [KEYS[direction]] * int(word.removeprefix(direction))
    return keys


def draw_digit(digit: int) -> Canvas:
    """Return the canvas after those keys, drawn as the Draw screen draws."""
    canvas, x, y, down = Canvas(), 14, 14, False
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
