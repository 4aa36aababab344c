"""Find, download, verify, cache or draw the digits. numpy and the standard library only.

Finding them needs no numpy; loading them does, so `load_digits` is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engines.data.dataset import DataCancelled, DataError, Digits, placeholder_dataset
from engines.data.sources import DatasetCopy, find_digits

if TYPE_CHECKING:
    from engines.data.load import load_digits

__all__ = ["DataCancelled", "DataError", "DatasetCopy", "Digits", "find_digits", "load_digits", "placeholder_dataset"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import `load_digits`. Raises AttributeError for any other name."""
        if name == "load_digits":
            from engines.data.load import load_digits

            return load_digits
        raise AttributeError(name)
