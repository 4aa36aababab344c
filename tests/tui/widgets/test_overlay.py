"""Tests of the overlay's legend."""

from __future__ import annotations

import pytest

from tests.support.histories import simulated_run
from tui.charts.viewport import Viewport
from tui.widgets.overlay import _legend


@pytest.mark.parametrize("width", [35, 50, 80])
def test_a_legend_has_all_four_figures(width: int) -> None:
    """35 cells are available in a terminal of 80 columns."""
    histories = [simulated_run("pytorch", 0.5), simulated_run("keras", 0.5)]
    for name in ("loss", "accuracy"):
        legend = _legend(name, histories, Viewport(), {"$pytorch": "red", "$keras": "blue"}, False, width).plain
        assert len(legend) <= width
        assert legend.count("━━") == legend.count("╍╍") == legend.count("●") == legend.count("◆") == 1
