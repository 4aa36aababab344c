"""Tests of which cells a changed line repaints."""

from __future__ import annotations

from hypothesis import given, strategies as st
from rich.text import Text
from textual.geometry import Region, Size

from tui.widgets.text_line import changed_cells, changed_regions


@given(st.text("ab─7", max_size=12), st.text("ab─7", max_size=12), st.integers(0, 12), st.booleans())
def test_cells_outside_the_changed_range_are_equal(old: str, new: str, styled_from: int, styled: bool) -> None:
    """Compare text and style."""
    before, after = Text(old), Text(new)
    if styled:
        after.stylize("bold", styled_from)
    start, end = changed_cells(before, after)
    for i in range(max(len(old), len(new))):
        if not start <= i < end:
            assert old[i : i + 1] == new[i : i + 1]
            assert not (styled and styled_from <= i < len(new))


def test_rows_without_room_are_not_repainted() -> None:
    before = (Text("step 1"), Text("50 %"), Text("700 img/s"))
    after = (Text("step 2"), Text("50 %"), Text("800 img/s"))
    assert changed_regions(before, after, Size(20, 3)) == [Region(5, 0, 1, 1), Region(0, 2, 1, 1)]
    assert changed_regions(before, after, Size(20, 2)) == [Region(5, 0, 1, 1)]
    assert changed_regions((), after, Size(20, 1)) == [Region(0, 0, 6, 1)]
    styled = (Text("step 1", style="red"), *before[1:])
    assert changed_regions(before, styled, Size(20, 3)) == [Region(0, 0, 20, 1)]
