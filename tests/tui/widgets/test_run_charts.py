"""Tests of the legend of several runs."""

from __future__ import annotations

from rich.text import Text

from tui.widgets.run_charts import _legend_lines


def test_a_legend_breaks_between_runs() -> None:
    entries = [Text(name, style="red") for name in ("1 first", "2 second", "3 a third that is long", "4 x")]
    assert [line.plain for line in _legend_lines(entries, 20)] == ["1 first  2 second", "3 a third that is long", "4 x"]
    assert [line.plain for line in _legend_lines(entries, 200)] == ["1 first  2 second  3 a third that is long  4 x"]
    assert _legend_lines([], 20) == []
