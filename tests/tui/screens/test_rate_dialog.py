"""The learning rate is changed by a dialog, in both frameworks at the same step, and the card says so."""

from __future__ import annotations

from pathlib import Path

from engines.messages.events import LearningRateChanged
from engines.runs.reader import read_events
from tests.support.pilot import key_bar_of, opened, phases, screen_text, text_of, until
from tui.screens.rate_dialog import FACTORS, RateDialog


async def test_a_change_reaches_both_at_the_same_step_and_marks_the_run(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (120, 40), epochs=1000) as (app, pilot):
        assert app.check_action("learning_rate", ()) is None
        await pilot.press("s")
        await until(pilot, lambda: bool(app.controller.changeable_rates) and phases(app) == ["training"] * 2)
        await pilot.press("space")  # a command has all the time that a busy machine needs
        await until(pilot, lambda: phases(app) == ["paused"] * 2)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, RateDialog))
        assert "PyTorch  1 → 1" in text_of(app, "#rates")
        await pilot.press("enter")
        assert isinstance(app.screen, RateDialog), "the present rate is no change"
        await pilot.press("minus", "minus", "plus")
        assert "0.5 times the present rate" in text_of(app, "#rates")
        assert "Keras    1 → 0.5" in text_of(app, "#rates")
        await pilot.press("enter", "space")
        histories = app.session.histories
        await until(pilot, lambda: all(history.rate_changes for history in histories.values()))
        (pytorch,), (keras,) = (history.rate_changes for history in histories.values())
        assert pytorch.global_step == keras.global_step == keras.requested_step
        assert (keras.before, keras.after) == (1.0, 0.5)
        await until(pilot, lambda: app.controller.changeable_rates == {"pytorch": 0.5, "keras": 0.5})
        await pilot.press("x")
        await until(pilot, lambda: not app.session.running)
        await pilot.press("4")
        await until(pilot, lambda: "learning rate, by hand" in screen_text(app))
    (record,) = (tmp_path / "runs").glob("*/events.jsonl")
    recorded = [event for event in read_events(record) if isinstance(event, LearningRateChanged)]
    assert {(event.engine, event.global_step) for event in recorded} == {
        ("pytorch", keras.global_step), ("keras", keras.global_step),
    }  # fmt: skip


async def test_the_keys_stop_at_the_ends_and_escape_changes_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        answers: list[float | None] = []
        dialog = RateDialog({"keras": 0.123456})
        app.push_screen(dialog, answers.append)
        await until(pilot, lambda: app.screen is dialog)
        for key, end in (("plus", FACTORS[-1]), ("minus", FACTORS[0])):
            await pilot.press(*[key] * (len(FACTORS) + 2))
            assert dialog.factor == end
        assert "0.1235 → 0.001235" in text_of(app, "#rates")
        assert "enter Apply" in key_bar_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: answers == [None])
