"""The digits: found, downloaded, verified, cached, or drawn. numpy and the standard library only."""

from engines.data.digits import DataCancelled, DataError, Digits
from engines.data.load import load_digits
from engines.data.sources import Found, find_digits

__all__ = ["DataCancelled", "DataError", "Digits", "Found", "find_digits", "load_digits"]
