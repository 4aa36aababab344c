"""The test digits of a saved run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import DataError, from_settings
from tui.digit_cache import DigitCache


@pytest.mark.parametrize(
    ("dataset", "data_dir", "hint"),
    [
        ("mnist", "", "`mnist-tui data --fetch` gets MNIST."), ("custom", "", "Name their folder in MNIST_TUI_DATA."),
        ("custom", "/gone", "Put them back into /gone."),
    ],
)  # fmt: skip
def test_the_hint_for_missing_digits_says_where_they_come_from(
    dataset: str, data_dir: str, hint: str, home: Path, tmp_path: Path
) -> None:
    """A download would bring MNIST, and never a user's own digits."""
    with pytest.raises(DataError) as caught:
        DigitCache(tmp_path / "cache").load(from_settings({"data_dir": data_dir}), dataset)
    assert caught.value.hint == hint
