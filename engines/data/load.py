"""Load the digits of a `dataset` setting ("auto", "mnist" or "drawn")."""

from __future__ import annotations

from pathlib import Path

from engines.data import readers
from engines.data.dataset import DataError, Digits
from engines.data.download import Cancelled, Progress, download
from engines.data.sources import EXPECTED, DatasetCopy, cache_folder, find_digits, unusable_place
from engines.data.synthetic import load_drawn


def _silent(done_bytes: int, total_bytes: int, source: str) -> None:
    pass


def _never() -> bool:
    return False


def load_digits(
    dataset: str = "auto",
    data_dir: Path | None = None,
    *,
    cache_dir: Path,
    on_progress: Progress = _silent,
    cancelled: Cancelled = _never,
) -> Digits:
    """Load the digits of a data set.

    "auto" loads MNIST from the user's place, from torchvision's or Keras' folder, from the app's cache or from the network, and
    draws digits if all of them fail; "mnist" never draws; "drawn" always does. No other copy replaces a place that the user named.
    `on_progress(done_bytes, total_bytes, source)` is called at most 20 times a second.

    Raises DataError when there are none, DataCancelled when `cancelled()` returns True meanwhile.
    """
    if dataset == "drawn":
        return load_drawn(cache_dir, on_progress, cancelled)
    copies = find_digits(data_dir, cache_dir)
    if unusable := unusable_place(data_dir, copies):
        raise DataError(unusable, f"Expected: {EXPECTED}.")
    damaged: DataError | None = None
    for copy in copies:
        if damaged is not None and not copy.user_specified:
            break
        try:
            return readers.read(copy)
        except DataError as error:
            if copy.user_specified:
                damaged = damaged or error  # the same place may hold another copy: MNIST/raw, or mnist.npz
    if damaged is not None:
        raise damaged
    try:
        download(cache_folder(cache_dir), on_progress, cancelled)
        return readers.read(DatasetCopy("idx", cache_folder(cache_dir), "cache"))
    except (DataError, OSError) as error:
        if dataset == "auto":
            return load_drawn(cache_dir, on_progress, cancelled)
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"The cache folder {cache_dir} can't be used: {error.strerror or error}.",
            "Set MNIST_TUI_CACHE_DIR to a folder that you can write to, or use --data-dir.",
        ) from error
