"""Numbers and texts as people read them, in widths that do not jump."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

Format = Callable[[float | None], str]
"""Writes a figure that may be unknown."""

UNSEEN = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Deceptive characters, for a class in a regular expression.

They change the direction of writing, so that a name reads as another, break lines, or are half characters (surrogates)."""
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
    "≠": "!", "≈": "~", "±": "~", "…": ".", "°": "o", "○": "o",
}  # fmt: skip
"""The ASCII character that replaces each of the app's other characters where there is only ASCII; one column wide."""


def digits_name(dataset: str) -> str:
    """Name the digits of a run: "MNIST" as published, "drawn digits" or "custom digits"."""
    return {"mnist": "MNIST", "drawn": "drawn digits"}.get(dataset, "custom digits")


def digits_title(dataset: str) -> str:
    """Name the digits of a run; digits that are not MNIST as published are marked as such."""
    return digits_name(dataset) if dataset == "mnist" else f"{digits_name(dataset).upper()}, not MNIST"


def gpu_name(name: str) -> str:
    """Shorten a GPU's name: "H200" for "NVIDIA H200"."""
    return name.removeprefix("NVIDIA ")


def clock(seconds: float | None) -> str:
    """Write a duration as 01:23, or 1:02:03 from an hour on; --:-- when unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "--:--"
    minutes, rest = divmod(max(int(seconds), 0), 60)
    if minutes < 60:
        return f"{minutes:02d}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def seconds(value: float | None) -> str:
    """Write a duration as 1.24 s, 12.4 s or 124 s; n/a when unknown."""
    if value is None:
        return "n/a"
    return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s" if value < 99.95 else f"{value:,.0f} s"


def about(seconds: float) -> str:
    """Write an estimated duration as "≈ 40 s", "≈ 13 min" or "≈ 2.5 h"."""
    if seconds < 95:
        return f"≈ {max(round(seconds, -1 if seconds > 20 else 0), 1):.0f} s"
    return f"≈ {seconds / 60:.0f} min" if seconds < 5700 else f"≈ {seconds / 3600:.1f} h"


def percent(fraction: float | None, digits: int = 2) -> str:
    """Write a fraction as 98.71 %; a dash when there is none yet."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """Write a 95 % interval of fractions as " (95 %: 97.77 to 98.31)", in percent; empty when there is none."""
    return "" if bounds is None else f" (95 %: {100 * bounds[0]:.2f} to {100 * bounds[1]:.2f})"


def sentence(text: str) -> str:
    """Start a text with a capital letter; the rest stays, so that "shared CPU" becomes "Shared CPU"."""
    return text[:1].upper() + text[1:]


def value(content: object) -> str:
    """Write a setting's value for a table; a dash for none."""
    if content is None:
        return "–"
    if isinstance(content, list | tuple):
        return ", ".join(value(item) for item in content)
    return f"{content:g}" if isinstance(content, float) else str(content)


def loss(value: float | None) -> str:
    """Write a loss as 0.0612; a dash when there is none yet."""
    return "–" if value is None else f"{value:.4f}" if math.isfinite(value) else str(value)


def size(count: float | None) -> str:
    """Write a number of bytes as 912 MB or 1.2 GB (powers of ten)."""
    if count is None:
        return "n/a"
    return f"{count / 1e9:.1f} GB" if count >= 999.5e6 else f"{count / 1e6:.0f} MB"


def energy(joules: float | None) -> str:
    """Write an energy as 912 J or 4.2 kJ; n/a when unknown."""
    if joules is None:
        return "n/a"
    return f"{joules / 1000:.1f} kJ" if joules >= 999.5 else f"{joules:.0f} J"


def truncate(text: str, length: int) -> str:
    """Shorten a text to that length, with an ellipsis at its end."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def strip_control(text: str) -> str:
    """Remove everything that a terminal would obey, except for colours (SGR), which the log pane reads."""
    return _CONTROL.sub(lambda match: "" if match.group(1) else match.group(0), text.expandtabs(4))


def to_plain_text(text: str) -> str:
    """Remove everything that a terminal would obey, colours included; the result is one line."""
    return re.sub(r"\x1b\[[0-9;]*m", "", strip_control(text)).replace("\n", " ")
