"""The test digits of the last run, for the screens that show some of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from engines.api import RunHistory, TrainConfig


class DigitCache:
    """Loads the test digits of a run, and caches those of the last call. Thread-safe."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._cached: tuple[object, tuple[Any, Any, str]] | None = None

    def is_cached(self, config: TrainConfig, dataset: str = "") -> bool:
        """Return whether `load` reads nothing from disk."""
        cached = self._cached
        return cached is not None and cached[0] == _key(config, dataset)

    def load(self, config: TrainConfig, dataset: str = "") -> tuple[Any, Any, str]:
        """Return the images (n, 28, 28) of grey values, the labels (n,), and the SHA-256 of all the digits.

        With the `dataset` that a run resolved to, digits that are not on this machine are neither downloaded nor replaced.
        Raises DataError.
        """
        from engines.api import DataError, find_digits, load_digits  # numpy: not before the first paint

        key = _key(config, dataset)
        with self._lock:
            if self._cached is None or self._cached[0] != key:
                data_dir = Path(config.data_dir) if config.data_dir else None
                if dataset in ("mnist", "custom") and not find_digits(data_dir, self._cache_dir):
                    place = f"Put them back into {data_dir}." if data_dir else "Name their folder in MNIST_TUI_DATA."
                    hint = "`mnist-tui data --fetch` gets MNIST." if dataset == "mnist" else place
                    raise DataError("The run's digits are not on this machine.", hint)
                digits = load_digits(dataset or config.dataset, data_dir, cache_dir=self._cache_dir)
                digits = digits.limited(config.limit_train or None, config.limit_test or None)
                # copies: a view would hold the 47 MB of training digits, too
                self._cached = key, (digits.test_images.copy(), digits.test_labels.copy(), digits.sha256)
            return self._cached[1]

    def load_tested(self, run: RunHistory) -> tuple[Any, Any]:
        """Return the images and the labels that a run was tested on, and never others. Raises DataError."""
        from engines.api import DataError

        images, labels, sha256 = self.load(run.config or TrainConfig(), run.data.dataset if run.data else "")
        if run.data is not None and run.data.sha256 != sha256:
            raise DataError("n/a: the digits on this machine are not those that the run was tested on.")
        return images, labels


def _key(config: TrainConfig, dataset: str) -> tuple[str, str, int, int]:
    return (dataset or config.dataset, config.data_dir, config.limit_train, config.limit_test)
