"""The charts of an exported page."""

from __future__ import annotations

import re

from tests.support.histories import evaluated_run
from tui.reports.export import charts


def heights(pattern: str, drawn: str) -> list[list[float]]:
    """Return, for each chart, the y pixels that the pattern finds."""
    return [[float(y) for y in re.findall(pattern, part)] for part in drawn.split("</svg>")[:-1]]


def test_the_loss_falls_and_the_accuracy_rises_in_training_and_in_the_tests() -> None:
    """Pixels count down from the top. The test losses are 0.5 and 0.02, the accuracies 0.5 and 0.98."""
    drawn = charts({"keras": evaluated_run([0.5, 0.98])})
    assert re.findall(r'aria-label="(\w+):', drawn) == ["loss", "accuracy"]
    loss, accuracy = heights(r"\d+\.\d,(\d+\.\d)", drawn)
    assert loss == sorted(loss)
    assert accuracy == sorted(accuracy, reverse=True)
    (early_loss, late_loss), (early, late) = heights(r'cy="([\d.]+)"', drawn)
    assert early_loss < late_loss
    assert early > late
    assert late_loss - early_loss == early - late, "every accuracy here is 1 minus the loss"
