"""Parse numbers as people type them: a comma groups the thousands of a whole number, and is never a decimal point.

Standard library only: both sides of the pipe read it.
"""

from __future__ import annotations

import re

_GROUPED = r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(?![0-9,])"


def parse_integer(text: str) -> int:
    """Parse a whole number such as 60000, 60,000 or 60_000. Raises ValueError with the reason, as the end of a sentence."""
    text = text.strip()
    try:
        return int(text.replace(",", "") if re.fullmatch(_GROUPED, text) else text)
    except ValueError:
        reason = "must be a whole number"
        raise ValueError(f"{reason}, such as 60000 or 60,000" if "," in text else reason) from None


def parse_float(text: str) -> float:
    """Parse a number such as 0.001, .5 or 1e-3. Raises ValueError with the reason, as the end of a sentence."""
    text = text.strip()
    if _is_float(text):
        return float(text)
    ungrouped, decimal = text.replace(",", ""), text.replace(",", ".")
    readings = [ungrouped] if re.match(_GROUPED, text) and _is_float(ungrouped) else []
    if text.count(",") == 1 and "." not in text and _is_float(decimal):
        readings.append(decimal)
    if readings:
        raise ValueError(f"has a {'decimal ' * (readings == [decimal])}comma: write {' or '.join(readings)}")
    raise ValueError("must be a number")


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
