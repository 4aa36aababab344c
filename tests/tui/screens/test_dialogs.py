"""Help, questions, and quitting."""

from __future__ import annotations

from pathlib import Path

from textual.containers import Vertical

from engines.api import RunRequest
from tests.support.pilot import opened, phases, until
from tui.commands import COMMANDS
from tui.screens.dialogs import HelpDialog, Question, QuitDialog
from tui.screens.parity import ParityScreen
from tui.screens.settings import SettingsScreen
from tui.screens.train import TrainScreen


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


async def test_q_acts_on_the_open_dialog(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        for dialog in (
            HelpDialog(()),
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


async def test_help_lists_every_command(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (100, 80)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpDialog)
        screen = app.export_screenshot().replace("&#160;", " ")
        for command in COMMANDS:
            assert command.help.partition(" ")[0] in screen
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, TrainScreen)
