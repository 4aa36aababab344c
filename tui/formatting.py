"""Numbers as people read them, in widths that do not jump."""

from __future__ import annotations

import math
import re

UNSEEN = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""For a class of characters: what turns the direction of writing, so that a name reads as another; line breaks; half characters."""
_CONTROL = re.compile(
    r"\x1b\[[0-9;]*m|(\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.?|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f"
    + UNSEEN
    + "])"
)

ASCII = {
    **dict.fromkeys(map(chr, (*range(0x250C, 0x254C), *range(0x2552, 0x2571))), "+"),  # corners, tees and crosses of boxes
    **dict.fromkeys("─╌┄┈╴╶–—▔−", "-"), **dict.fromkeys("━╍┅┉╸╺╼╾═‖", "="),
    **dict.fromkeys("│┃╎╏┆┇┊┋╵╷╹╻╽╿║▏▎▍▕", "|"), "╱": "/", "╲": "\\", "╳": "X",
    **dict.fromkeys("▁▂▃▅▆▇█▄▀▊▋▉▌▐■░▒▓▖▗▘▙▚▛▜▝▞▟", "#"), **dict.fromkeys("·•●◆", "*"),
    **dict.fromkeys("“”", '"'), **dict.fromkeys("‘’", "'"), **dict.fromkeys("←◄≤", "<"), **dict.fromkeys("→►▶≥", ">"),
    **dict.fromkeys("↓▼√", "v"), **dict.fromkeys("↑▲", "^"), "◈": "8", "✓": "+", "✗": "x", "×": "x",
    "≠": "!", "±": "~", "…": ".", "°": "o", "○": "o",
}  # fmt: skip
"""What resembles our characters where there is only ASCII, as wide as they are."""


def digits_title(dataset: str) -> str:
    """Name the digits of a run; whatever is not MNIST as published says so."""
    return {"mnist": "MNIST", "drawn": "DRAWN DIGITS, not MNIST"}.get(dataset, "CUSTOM DIGITS, not MNIST")


def clock(seconds: float | None) -> str:
    """01:23, or 1:02:03 from an hour on; --:-- when unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "--:--"
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes:02d}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def seconds(value: float | None) -> str:
    """1.24 s, 12.4 s, 124 s; n/a when unknown."""
    if value is None:
        return "n/a"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def percent(fraction: float | None, digits: int = 2) -> str:
    """98.71 %; a dash when there is none yet."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """(97.77 to 98.31), a 95 % interval in percent, with its space; empty when there is none."""
    return "" if bounds is None else f" (95 %: {100 * bounds[0]:.2f} to {100 * bounds[1]:.2f})"


def value(content: object) -> str:
    """A setting's value as it is written in a table; a dash for none."""
    if content is None:
        return "–"
    if isinstance(content, list | tuple):
        return ", ".join(value(one) for one in content)
    return f"{content:g}" if isinstance(content, float) else str(content)


def loss(value: float | None) -> str:
    """0.0612; a dash when there is none yet."""
    return "–" if value is None else f"{value:.4f}" if math.isfinite(value) else str(value)


def size(count: float | None) -> str:
    """Bytes as 912 MB or 1.2 GB (powers of ten)."""
    if count is None:
        return "n/a"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def energy(joules: float | None) -> str:
    """912 J or 4.2 kJ; n/a when unknown."""
    if joules is None:
        return "n/a"
    return f"{joules / 1000:.1f} kJ" if joules >= 1000 else f"{joules:.0f} J"


def truncate(text: str, most: int) -> str:
    """The text, cut off with an ellipsis where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def strip_control(text: str) -> str:
    """The text without anything that a terminal would obey; colours (SGR) stay for the log pane to read."""
    return _CONTROL.sub(lambda match: "" if match.group(1) else match.group(0), text.expandtabs(4))


def to_plain_text(text: str) -> str:
    """The text without anything that a terminal would obey, colours included."""
    return re.sub(r"\x1b\[[0-9;]*m", "", strip_control(text)).replace("\n", " ")
