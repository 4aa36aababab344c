"""Immediate feedback on commands, tabs, copies and screenshots."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from engines.messages.events import CommandSent, EvalStarted, Event, RunFinished, RunPaused
from engines.runs.history import RunHistory
from tests.support.pilot import opened, phases, text_of, until
from tests.support.recording import shown
from tests.support.run_events import life
from tui import app as apps
from tui.app import MnistApp
from tui.screens.code import CodeScreen
from tui.screens.factory import make_screen
from tui.terminal import clipboard


def in_the_second_epoch(*events: Event) -> RunHistory:
    """Return a run after step 5 of 8, and after these events."""
    history = RunHistory("keras")
    for event in (*life()[:15], *events):
        history.apply(event)
    return history


def test_a_run_is_stopping_until_it_has_ended() -> None:
    sent = CommandSent(engine="keras", t=22.0, command="Stop")
    stopping = in_the_second_epoch(sent, CommandSent(engine="keras", t=22.1, command="Pause"))
    assert (stopping.stopping, stopping.phase) == (True, "training")
    stopping.apply(EvalStarted(engine="keras", t=23.0, epoch=2, global_step=5))
    assert (stopping.stopping, stopping.phase, stopping.phase_t) == (True, "evaluating", 23.0)
    outcome = RunFinished(
        engine="keras", t=24.0, outcome="stopped", test_accuracy=0.9, test_loss=0.1, best_epoch=1, train_seconds=5.0,
        wall_seconds=24.0,
    )  # fmt: skip
    stopping.apply(outcome)
    assert not stopping.stopping


def test_a_pause_is_pending_until_the_run_waits() -> None:
    history = in_the_second_epoch(CommandSent(engine="keras", t=22.0, command="Pause"))
    assert history.pending_command == "Pause"
    history.apply(RunPaused(engine="keras", t=22.5))
    assert history.pending_command == ""


@pytest.mark.fault("workers", "commands for a worker that hangs in mid-step: its pane acknowledges them at once")
async def test_commands_are_acknowledged_in_the_pane(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@8")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        status = partial(text_of, app, "#panel-keras #status")
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await until(pilot, lambda: "ETA" in status())
        await pilot.press("space")
        await until(pilot, lambda: "pausing after this step" in status())
        await pilot.press("w")
        await until(pilot, lambda: "a checkpoint is written after this step" in newest_notification(app))
        await pilot.press("x")
        await until(pilot, lambda: "stopping  finishes this step, then tests" in status())
        assert "ETA" not in status()
        assert "stopping" in text_of(app, "#race")
        await pilot.press("K")
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: "■ killed" in status())
        await until(pilot, lambda: "Killed at step" in text_of(app, "#panel-keras #notice"))
        keras, pytorch = (app.screen.query_one(f"#panel-{engine} #loss") for engine in ("keras", "pytorch"))
        assert keras.region.y == pytorch.region.y
        notice = app.screen.query_one("#panel-keras #notice")
        await until(pilot, lambda: bool(notice.region))
        assert keras.region.contains_region(notice.region)


async def test_a_new_notification_replaces_the_last_but_no_warning(tmp_path: Path) -> None:
    async with MnistApp([], runs_dir=tmp_path).run_test() as pilot:
        app = pilot.app
        for message in ("one", "two"):
            app.notify(message)
            await pilot.pause()
        assert [note.message for note in app._notifications] == ["two"]
        app.notify("a warning", severity="warning")
        await pilot.pause()
        app.notify("three")
        await pilot.pause()
        assert {note.message for note in app._notifications} == {"two", "a warning", "three"}


def newest_notification(app: MnistApp) -> str:
    return next((note.message for note in reversed([*app._notifications])), "")


async def test_the_tab_lights_up_before_its_screen_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[str] = []

    def record_screen(name: str, app: MnistApp) -> Screen[Any]:
        before.append(app.export_screenshot().replace("&#160;", " "))
        return make_screen(name, app)

    monkeypatch.setattr(apps, "make_screen", record_screen)
    async with shown(400.0, (120, 40)) as app:
        pilot = Pilot(app)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen))
        assert "[2 Code]" in before[0]
        assert "[1 Train]" not in before[0]
        await pilot.press("1")
        await until(pilot, lambda: "[1 Train]" in text_of(app, "#header"))


async def test_nothing_is_drawn_beneath_a_dialog() -> None:
    """Textual would send all of the screen with each frame, which takes seconds on a slow link."""
    async with shown(10.0, (120, 40)) as app:
        pilot = Pilot(app)
        await pilot.press("question_mark")
        await pilot.pause()
        header = app.train_screen.query_one("#header")
        before = str(header.render())
        app.session.seek(60.0)
        for _ in range(12):
            app.draw_frame()
        assert str(header.render()) == before
        await pilot.press("escape")
        await until(pilot, lambda: str(header.render()) != before)


async def test_a_copy_names_a_fallback() -> None:
    async with shown(400.0, (120, 40)) as app:
        clipboard.copy(app, "text", "The text", "It is in a file.")
        assert app.clipboard == "text"
        await until(Pilot(app), lambda: "sent to your terminal's clipboard" in newest_notification(app))
        assert newest_notification(app).endswith("It is in a file.")


def test_only_one_function_copies() -> None:
    tui = Path(apps.__file__).parent
    assert [path.name for path in tui.rglob("*.py") if "copy_to_clipboard" in path.read_text()] == ["clipboard.py"]


async def test_the_palette_saves_screenshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def saved() -> list[Path]:
        return [*tmp_path.glob("*.svg")]

    def no_room(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    async with shown(400.0, (120, 40)) as app:
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        commands["Screenshot"].callback()
        await until(Pilot(app), lambda: newest_notification(app).endswith(".svg"))
        assert newest_notification(app) in map(str, saved())
        monkeypatch.setattr(app, "save_screenshot", no_room)
        commands["Screenshot"].callback()
        await until(Pilot(app), lambda: "could not be written" in newest_notification(app))
