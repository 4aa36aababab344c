"""The digit on the pad of Draw, which Inside shows, too."""

from __future__ import annotations

from typing import Any


class Drawing:
    """The present digit: Draw writes it, and Inside reads it when it is opened."""

    def __init__(self) -> None:
        self.image: Any = None
        """The digit as the networks see it, shape (28, 28), uint8; None while the pad is blank."""
        self.caption = "your drawing"
