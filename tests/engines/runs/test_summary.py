"""The times of a run: in its summary, in the closing line and on its card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.messages.events import RunFinished
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.summary import engine_summary
from tests.support.run_events import life
from tui.reports.card import report
from tui.reports.run_summary import summary_line


def test_the_wall_time_includes_the_import_even_if_the_record_left_it_out() -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(replace(event, wall_seconds=7.1) if isinstance(event, RunFinished) else event)
    assert engine_summary(history)["wall_seconds"] == history.wall_seconds(99.0) == 30.0
    assert "wall 30.0 s" in summary_line(history)


@pytest.mark.parametrize(("import_first", "wall_time", "on_card"), [
    (False, "wall 30.0 s (import included)", "2.50 s, in the wall time"),
    (True, "wall 30.0 s (in a warm worker)", "2.50 s, before the run"),
])  # fmt: skip
def test_cold_and_warm_starts_are_labelled(import_first: bool, wall_time: str, on_card: str) -> None:
    """Only the first of two seeds in one series waits for the import."""
    history, events = RunHistory("keras"), life()
    if import_first:
        events[:3] = [
            replace(event, t=t) for event, t in zip((*events[1:3], events[0]), (-9.0, -8.0, 0.0), strict=True)
        ]
    for event in events:
        history.apply(event)
    assert wall_time in summary_line(history)
    assert engine_summary(history)["began_cold"] is not import_first
    card = report({"keras": history}, MachineHistory())
    assert card is not None
    times = {row.label: row.values for _, rows in card.groups for row in rows}
    assert times["import"] == (on_card,)
    assert times["wall, since asked for"] == ("30.0 s",)
