"""The comparison dialog: its columns by the room there is. The Runs screen opens it in test_runs.py."""

from __future__ import annotations

from engines.api import DEMO, read_run
from tui.reports import comparison
from tui.screens.comparison import _figure_rows


def test_equal_columns_go_and_versions_need_room() -> None:
    entries = comparison.entries([("first", read_run(DEMO.parent, DEMO.name)[0])])
    wide, narrow = _figure_rows(entries, True), _figure_rows(entries, False)
    assert wide[0] == narrow[0] == ["", "run", "framework", "test accuracy", "95 % interval", "training", "to 98 %"]
    assert [row[2] for row in narrow[1:]] == ["PyTorch", "Keras"]
    assert "TensorFlow" in wide[2][2]
