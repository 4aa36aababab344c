"""From a wish ("auto", "mnist" or "drawn") to digits in memory."""

from __future__ import annotations

from pathlib import Path

from engines.data import readers
from engines.data.dataset import DataError, Digits
from engines.data.download import Cancelled, Progress, download
from engines.data.sources import EXPECTED, DatasetCopy, cache_folder, find_digits, named_places, what_is_wrong
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
    """The digits that were wished for.

    "auto" takes MNIST from the user's place, from where torchvision or Keras keep it, from our cache or from the network, and
    without any of them draws digits; "mnist" never draws; "drawn" always does. A place that the user named is never replaced by
    another. `on_progress(done_bytes, total_bytes, source)` is called at most 20 times a second.

    Raises DataError when they can't be had, DataCancelled when `cancelled()` said so meanwhile.
    """
    if dataset == "drawn":
        return load_drawn(cache_dir, on_progress, cancelled)
    found = find_digits(data_dir, cache_dir)
    for origin, folder in named_places(data_dir):
        if not any(copy.origin == origin for copy in found):
            raise DataError(
                f"{origin} names {folder}, {what_is_wrong(folder)}.",
                f"Expected: {EXPECTED}.",
            )
    damaged: DataError | None = None
    for copy in found:
        if damaged is not None and not copy.chosen:
            break
        try:
            return readers.read(copy)
        except DataError as error:
            if copy.chosen:
                damaged = damaged or error  # the place may hold another copy: MNIST/raw, or mnist.npz
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
            "Set MNIST_TUI_CACHE_DIR to a folder that can be written, or use --data-dir.",
        ) from error
