"""Confusion matrices as heat maps."""

from __future__ import annotations

from collections import defaultdict

import pytest
from rich.console import Console

from engines.api import read_events
from engines.messages.events import EvalCompleted
from engines.runs.history import RunHistory
from engines.session.replay import DEMO
from tui.widgets.confusion_matrix import Cell, count, describe, matrices, most_frequent, neighbour
from tui.widgets.mistake_gallery import mistakes


@pytest.fixture(scope="module")
def tested() -> dict[str, RunHistory]:
    """Return the recorded run at its end."""
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    for event in read_events(DEMO):
        if event.engine in histories:
            histories[event.engine].apply(event)
    return histories


def test_a_row_is_a_digit_and_a_column_what_it_was_read_as() -> None:
    """Two of four threes were read as a five; no five was read as a three."""
    counts = dict.fromkeys(range(100), 0) | {33: 2, 35: 2, 55: 1}
    histories = {"keras": RunHistory("keras")}
    histories["keras"].apply(EvalCompleted(
        engine="keras", epoch=1, global_step=1, split="test", loss=0.1, accuracy=0.6, seconds=1.0, confusion=tuple(counts.values()),
        mistakes=((7, 3, 5), (9, 3, 5)),
    ))  # fmt: skip
    assert most_frequent(histories) == Cell("keras", 3, 5)
    assert count(histories, Cell("keras", 3, 5)) == 2
    assert count(histories, Cell("keras", 5, 3)) == 0
    assert describe(histories, Cell("keras", 3, 5)).plain == " Keras read a 3 as a 5: 2 times. enter shows them."
    rows = [line.plain.split() for line in matrices(histories, defaultdict(lambda: "red"), 80, 0)]
    assert rows[2 + 3] == ["3", "·", "·", "·", "■", "·", "2", "·", "·", "·", "·", "50.0%"]
    assert rows[2 + 5] == ["5", "·", "·", "·", "·", "·", "■", "·", "·", "·", "·", "100.0%"]
    of_cell = mistakes(histories, Cell("keras", 3, 5))[Cell("keras", 3, 5).name]
    assert [(mistake.index, mistake.label, dict(mistake.read)) for mistake in of_cell] == [
        (7, 3, {"keras": 5}), (9, 3, {"keras": 5}),
    ]  # fmt: skip
    assert not mistakes(histories, Cell("keras", 5, 3)).get(Cell("keras", 5, 3).name)


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
