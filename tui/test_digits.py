"""The test digits, for the screens that show some of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from engines.api import TrainConfig, load_digits


class TestDigits:
    """Loads the digits that a run tests on, and keeps those of the last run asked for. Called in threads."""

    __test__ = False
    """No test of pytest's, in spite of its name."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._lock = threading.Lock()
        self._kept: tuple[Any, tuple[Any, Any]] | None = None

    def load(self, config: TrainConfig) -> tuple[Any, Any]:
        """Images (n, 28, 28) of grey values and labels (n,), as numpy arrays. Raises DataError."""
        key = (config.dataset, config.data_dir, config.seed)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                place = Path(config.data_dir) if config.data_dir else None
                digits = load_digits(config.dataset, place, cache_dir=self._cache_dir)
                # copies: a view would hold the 47 MB of training digits, too
                self._kept = key, (digits.test_images.copy(), digits.test_labels.copy())
            return self._kept[1]
