"""The digits: found, downloaded, verified, cached, or drawn. numpy and the standard library only.

Finding them needs no numpy; loading does, so `load_digits` is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engines.data.dataset import DataCancelled, DataError, Digits, no_digits
from engines.data.sources import Found, find_digits

if TYPE_CHECKING:
    from engines.data.load import load_digits

__all__ = ["DataCancelled", "DataError", "Digits", "Found", "find_digits", "load_digits", "no_digits"]


def __getattr__(name: str) -> Any:
    if name == "load_digits":
        from engines.data.load import load_digits

        return load_digits
    raise AttributeError(name)
