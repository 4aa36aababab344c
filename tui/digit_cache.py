"""The test digits, for the screens that show some of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from engines.api import TrainConfig


class DigitCache:
    """Loads the digits that a run tests on, and keeps those of the last run asked for. Called in threads."""

    __test__ = False
    """No test of pytest's, in spite of its name."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._kept: tuple[object, tuple[Any, Any, str]] | None = None

    def at_hand(self, config: TrainConfig, dataset: str = "") -> bool:
        """Whether `load` need not read anything."""
        kept = self._kept
        return kept is not None and kept[0] == _key(config, dataset)

    def load(self, config: TrainConfig, dataset: str = "") -> tuple[Any, Any, str]:
        """Images (n, 28, 28) of grey values, labels (n,), and the SHA-256 of all the digits.

        With the `dataset` that a run had in the end, what is not on this machine is neither fetched nor replaced. Raises
        DataError.
        """
        from engines.api import DataError, find_digits, load_digits  # numpy: not before the first paint

        key = _key(config, dataset)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                place = Path(config.data_dir) if config.data_dir else None
                if dataset in ("mnist", "custom") and not find_digits(place, self._cache_dir):
                    raise DataError("The run's digits are not on this machine.", "`mnist-tui data --fetch` gets MNIST.")
                digits = load_digits(dataset or config.dataset, place, cache_dir=self._cache_dir)
                digits = digits.limited(config.limit_train or None, config.limit_test or None)
                # copies: a view would hold the 47 MB of training digits, too
                self._kept = key, (digits.test_images.copy(), digits.test_labels.copy(), digits.sha256)
            return self._kept[1]


def _key(config: TrainConfig, dataset: str) -> tuple[str, str, int, int]:
    return (dataset or config.dataset, config.data_dir, config.limit_train, config.limit_test)
