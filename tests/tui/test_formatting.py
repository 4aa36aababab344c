"""Numbers as people read them, at the bounds between two forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from tui import formatting


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (formatting.clock, 0.0, "00:00"), (formatting.clock, 59.99, "00:59"), (formatting.clock, 60.0, "01:00"),
        (formatting.clock, 3599.9, "59:59"), (formatting.clock, 3600.0, "1:00:00"), (formatting.clock, 36_062.0, "10:01:02"),
        (formatting.clock, -3.0, "00:00"), (formatting.clock, None, "--:--"), (formatting.clock, math.inf, "--:--"),
        (formatting.seconds, 0.0, "0.00 s"), (formatting.seconds, 9.994, "9.99 s"), (formatting.seconds, 9.996, "10.0 s"),
        (formatting.seconds, 10.0, "10.0 s"), (formatting.seconds, 99.94, "99.9 s"), (formatting.seconds, 99.96, "100 s"),
        (formatting.seconds, 100.0, "100 s"), (formatting.seconds, 1234.5, "1,234 s"), (formatting.seconds, None, "n/a"),
        (formatting.about, 0.2, "≈ 1 s"), (formatting.about, 20.4, "≈ 20 s"), (formatting.about, 14.6, "≈ 15 s"),
        (formatting.about, 94.9, "≈ 90 s"), (formatting.about, 95.0, "≈ 2 min"), (formatting.about, 5699.0, "≈ 95 min"),
        (formatting.about, 5700.0, "≈ 1.6 h"),
        (formatting.percent, 0.98714, "98.71 %"), (formatting.percent, 1.0, "100.00 %"), (formatting.percent, None, "–"),
        (formatting.loss, 0.06125, "0.0612"), (formatting.loss, math.nan, "nan"), (formatting.loss, math.inf, "inf"),
        (formatting.loss, None, "–"),
        (formatting.size, 0, "0 MB"), (formatting.size, 912e6, "912 MB"), (formatting.size, 999.4e6, "999 MB"),
        (formatting.size, 999.6e6, "1.0 GB"), (formatting.size, 1e9, "1.0 GB"), (formatting.size, 1.26e9, "1.3 GB"),
        (formatting.size, None, "n/a"),
        (formatting.energy, 0.0, "0 J"), (formatting.energy, 912.4, "912 J"), (formatting.energy, 999.4, "999 J"),
        (formatting.energy, 999.6, "1.0 kJ"), (formatting.energy, 1000.0, "1.0 kJ"), (formatting.energy, 4240.0, "4.2 kJ"),
        (formatting.energy, None, "n/a"),
        (formatting.interval, (0.9777, 0.98314), " (95 %: 97.77 to 98.31)"), (formatting.interval, None, ""),
        (formatting.value, None, "–"), (formatting.value, 0.5, "0.5"), (formatting.value, [1, None, "a"], "1, –, a"),
        (formatting.value, True, "True"),
        (formatting.sentence, "shared CPU", "Shared CPU"), (formatting.sentence, "", ""),
        (formatting.gpu_name, "NVIDIA H200", "H200"), (formatting.gpu_name, "AMD NVIDIA", "AMD NVIDIA"),
    ],
)  # fmt: skip
def test_a_figure_is_written(write: Callable[[Any], str], value: Any, text: str) -> None:
    assert write(value) == text


def test_a_text_that_fits_exactly_is_not_shortened() -> None:
    assert formatting.truncate("abcde", 5) == "abcde"
    assert formatting.truncate("abcdef", 5) == "abcd…"
    assert formatting.truncate("abc def", 5) == "abc…", "no space before the ellipsis"


@pytest.mark.parametrize(
    ("dataset", "title"),
    [
        ("mnist", "MNIST"), ("drawn", "DRAWN DIGITS, not MNIST"), ("custom", "CUSTOM DIGITS, not MNIST"),
        ("", "CUSTOM DIGITS, not MNIST"),
    ],
)  # fmt: skip
def test_only_mnist_as_published_is_called_mnist(dataset: str, title: str) -> None:
    assert formatting.digits_title(dataset) == title
