"""What two rows of cells have in common."""

from __future__ import annotations


def equal_start(before: str, after: str) -> int:
    """How many characters at the beginning are equal."""
    for i, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return i
    return min(len(before), len(after))
