"""Help, questions, and quitting."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import Vertical
from textual.widgets import Static

from engines.api import ONE_RUN_CAVEAT, RunRequest
from tests.support.pilot import SIZES, key_bar_of, opened, phases, screen_text, until
from tui.commands import Command
from tui.screens.dialogs import TERMS, HelpDialog, NameDialog, Question, QuitDialog, _help_rows
from tui.screens.parity import ParityScreen
from tui.screens.settings import SettingsScreen
from tui.screens.train import TrainScreen
from tui.widgets.key_bar import KeyBar


async def test_quitting_asks_only_while_training(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await pilot.press("q")
        assert isinstance(app.screen, QuitDialog)
        assert app.screen.query_one(Vertical).region.x > 5, "in the middle, not in the corner"
        await pilot.press("n")
        assert isinstance(app.screen, TrainScreen)
        assert app.session.running
        await pilot.press("ctrl+c")
        assert isinstance(app.screen, QuitDialog)
        await pilot.press("y")
        await pilot.pause()
        assert app.return_code == 0


def test_the_help_states_how_often_one_framework_is_ahead_of_itself() -> None:
    assert ONE_RUN_CAVEAT in dict(TERMS)["ahead (one seed)"]


async def test_q_acts_on_the_open_dialog(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        for dialog in (
            HelpDialog({}, lambda _: True),
            ParityScreen((), tmp_path, RunRequest()),
            Question("Delete it?", "Delete"),
            QuitDialog(),
        ):
            answers: list[object] = []
            app.push_screen(dialog, answers.append)
            await pilot.press("q")
            await until(pilot, lambda: isinstance(app.screen, TrainScreen))
            assert answers == [{Question: False, QuitDialog: True}.get(type(dialog))]
        app.action_settings()
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        await pilot.press("q")
        assert isinstance(app.screen, SettingsScreen)
        assert app.return_code is None
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.return_code == 0


async def test_quitting_when_idle_does_not_ask(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("q")
        await pilot.pause()
        assert app.return_code == 0


@pytest.mark.parametrize("size", SIZES)
async def test_help_lists_what_works_here_and_now(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    """It has two columns in groups; what makes no sense now is dim and below; at 80x24 the page scrolls."""
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        page = app.screen.query_one("#keys")
        words = [str(column.render()) for column in page.query(Static)]
        assert len(words) == 2
        left, right = page.query(Static)
        assert left.region.right <= right.region.x
        assert ("Scroll" in key_bar_of(app)) == (page.max_scroll_y > 0)
        assert (page.max_scroll_y > 0) == (size == (80, 24))
        while page.scroll_offset.y < page.max_scroll_y:
            await pilot.press("pagedown")
        assert "Quit from a field" in " ".join(screen_text(app).split())
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))


def test_help_rows_join_the_keys_of_a_command_and_dim_what_is_not_possible() -> None:
    commands = (
        Command("pan", "shift+left", "", "Pan."),
        Command("pan", "shift+right", "", ""),
        Command("device", "d", "", "The next; with shift the one before."),
        Command("device", "D", "", ""),
        Command("hidden", "h", "", "Hidden."),
        Command("stop", "x", "", "Stop."),
    )
    assert _help_rows(commands, lambda command: {"hidden": False, "stop": None}.get(command.name, True)) == [
        ("shift+← →", "Pan.", True),
        ("d", "The next; with shift the one before.", True),
        ("x", "Stop.", False),
    ]


async def test_the_second_page_explains_the_words(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("question_mark", "tab")
        await pilot.pause()
        for term in ("race", "time trial", "first step", "parity", "checkpoint"):
            assert f" {term} " in screen_text(app)
        await pilot.press("tab")
        await pilot.pause()
        assert "Choose" in screen_text(app)


async def test_the_footer_under_a_dialog_is_its_own(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        for dialog, words in (
            (HelpDialog({}, lambda _: True), "Close"),
            (ParityScreen((), tmp_path, RunRequest()), "Close"),
            (Question("Delete it?", "Delete"), "y Yes n No"),
            (NameDialog("run", "", ""), "Save"),
            (SettingsScreen(RunRequest(), {}), "Save and start"),
        ):
            app.push_screen(dialog)
            await until(pilot, lambda dialog=dialog: app.screen is dialog and bool(dialog.query(KeyBar)))  # type: ignore[misc]
            await until(pilot, lambda words=words: words in key_bar_of(app))  # type: ignore[misc]
            assert "Start" not in key_bar_of(app).replace("Save and start", "").split()
            dialog.dismiss()
            await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        app.push_screen(HelpDialog({}, lambda _: True))
        await until(pilot, lambda: isinstance(app.screen, HelpDialog) and bool(app.screen.query(KeyBar)))
        await until(pilot, lambda: "Close" in key_bar_of(app))
        await pilot.click(KeyBar, offset=(key_bar_of(app).index("Close"), 0))
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
