"""Confusion matrices as heat maps."""

from __future__ import annotations

from collections import defaultdict

import pytest
from rich.console import Console

from engines.api import read_events
from engines.runs.history import RunHistory
from engines.session.replay import DEMO
from tui.widgets.confusion_matrix import Cell, matrices, most_frequent, neighbour


@pytest.fixture(scope="module")
def tested() -> dict[str, RunHistory]:
    """Return the recorded run at its end."""
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    for event in read_events(DEMO):
        if event.engine in histories:
            histories[event.engine].apply(event)
    return histories


def test_cells_are_reached_by_arrows_across_both_matrices(tested: dict[str, RunHistory]) -> None:
    assert most_frequent(tested) == neighbour(tested, None, 1, 0) == Cell("keras", 7, 2)
    assert neighbour(tested, Cell("pytorch", 3, 9), 1, 0) == Cell("keras", 3, 0)
    assert neighbour(tested, Cell("keras", 3, 0), -1, 0) == Cell("pytorch", 3, 9)
    for edge, step in ((Cell("pytorch", 0, 0), (-1, -1)), (Cell("keras", 9, 9), (1, 1))):
        assert neighbour(tested, edge, *step) == edge
    assert most_frequent({"pytorch": RunHistory("pytorch")}) is None


@pytest.mark.parametrize(("width", "height", "rows"), [(80, 19, 1), (120, 36, 2), (200, 56, 4), (60, 40, 1)])
def test_heat_cells_grow_with_the_screen(tested: dict[str, RunHistory], width: int, height: int, rows: int) -> None:
    """Both matrices stand side by side from 80 columns on; at 120x40 their cells are two rows high."""
    lines = matrices(tested, defaultdict(lambda: "red"), width, height)
    beside = "PyTorch" in lines[0].plain and "Keras" in lines[0].plain
    assert beside == (width >= 80)
    assert len(lines) == (2 + 10 * rows if beside else 2 * 12 + 1)
    assert max(line.cell_len for line in lines) <= width


def test_the_largest_confusions_and_the_chosen_cell_stand_out_without_colour(
    tested: dict[str, RunHistory],
) -> None:
    """With NO_COLOR, red is a dark grey."""
    lines = matrices({"pytorch": tested["pytorch"]}, defaultdict(lambda: "red"), 80, 0, Cell("pytorch", 0, 1))
    drawn = [segment for line in lines for segment in line.render(Console(color_system=None))]
    highlighted = {segment.text.strip() for segment in drawn if segment.style and segment.style.reverse}
    assert highlighted - {""} == {"8", "9", "10", "12", "14", "[·]"}
