"""The app by keys and messages, with real worker processes of the scripted engine, at several sizes."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.containers import Vertical
from textual.events import MouseScrollUp
from textual.widgets import Input, Select, Static

from engines.api import TrainConfig, engine_spec
from engines.messages.events import WorkerExited
from engines.messages.grammar import violations
from engines.monitors.sampler import Sampler
from engines.runs.reader import read_events
from engines.session import session as sessions
from engines.session.replay import Replay
from engines.supervision.supervisor import Supervisor
from tests.support.pilot import SIZES, drawn, heading, hover_until, log_of, opened, phases, text_of, until
from tui import preferences, themes
from tui.app import POOL_THREADS, MnistApp
from tui.cli import arguments
from tui.commands import COMMANDS
from tui.screens.dialogs import HelpDialog, Question, QuitDialog
from tui.screens import parity
from tui.screens.parity import ParityScreen
from tui.screens.settings import FORM_FIELDS, SettingsScreen
from tui.screens.train import TrainScreen
from tui.terminal import startup_gc
from tui.widgets.chart import LineChart
from tui.widgets.engine_panel import EnginePanel
from tui.widgets.key_bar import KeyBar
from tui.widgets.log_pane import LogPane
from tui.widgets.text_line import TextLine


@pytest.mark.parametrize("size", SIZES)
async def test_start_trains_both_and_shows_it(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await until(pilot, lambda: "press s to start" in text_of(app, "#panel-keras #status"))
        idle = app.screen.query_one("#panel-keras #loss", LineChart)
        assert any("s starts training" in idle.render_line(y).text for y in range(idle.size.height))
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.pause(1.0)
        for engine in ("pytorch", "keras"):
            assert "finished" in text_of(app, f"#panel-{engine} #status")
            assert "100 %" in text_of(app, f"#panel-{engine} #status")
            chart = app.screen.query_one(f"#panel-{engine} #loss", LineChart)
            drawn = "".join(chart.render_line(y).text for y in range(chart.size.height))
            assert any(0x2800 < ord(c) < 0x2900 for c in drawn), "the loss is drawn"
        assert "CUSTOM DIGITS, not MNIST" in text_of(app, "#header")
        assert ("640 + 200" in text_of(app, "#header")) is (size[0] >= 200)
        (run,) = (tmp_path / "runs").iterdir()
        assert {"config.json", "events.jsonl", "summary.json"} <= {path.name for path in run.iterdir()}


async def test_rubbish_is_looked_for_again_once_the_app_is_painted(tmp_path: Path, small_mnist: Path) -> None:
    startup_gc.pause_gc()
    try:
        async with opened(tmp_path, small_mnist) as (_, pilot):
            await until(pilot, gc.isenabled)
    finally:
        gc.unfreeze()
        gc.enable()


async def test_every_line_fits_its_place(tmp_path: Path, small_mnist: Path) -> None:
    """Nothing is wider than the screen, at any size."""
    async with opened(tmp_path, small_mnist, (120, 40)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        for size in ((80, 24), (60, 20), (59, 14), (40, 10), (20, 5), (5, 3), (1, 1), (300, 100), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.15)
            for widget in app.screen.query(TextLine):
                assert widget.region.right <= max(size[0], 1)


async def test_resize_storm(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        for i in range(25):
            await pilot.resize_terminal(1 + (i * 73) % 300, 1 + (i * 37) % 100)
            await pilot.pause()
            if i % 5 == 2:
                await pilot.press("om"[i // 5 % 2])
        await pilot.resize_terminal(120, 40)
        app.train_screen.set_layout("beside")
        await until(pilot, lambda: app.screen.query_one("#panel-keras #loss", LineChart).size.height > 5)


async def test_pause_resume_stop_by_keys(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await pilot.press("space")
        await until(pilot, lambda: phases(app) == ["paused", "paused"])
        await pilot.press("a")
        await pilot.press("space")
        await until(pilot, lambda: phases(app) in (["training", "paused"], ["evaluating", "paused"]))
        await pilot.press("a", "a", "x")
        await until(pilot, lambda: phases(app) == ["stopped", "stopped"])
        assert all(history.test_accuracy is not None for history in app.session.histories.values())


async def test_a_killed_worker_is_shown_and_restarted_while_the_other_goes_on(
    tmp_path: Path, small_mnist: Path
) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        other = app.session.histories["pytorch"]
        pid = app.session.histories["keras"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(pilot, lambda: phases(app)[1] == "failed")
        await pilot.pause(0.3)
        notice = text_of(app, "#panel-keras #notice")
        assert "SIGKILL" in notice
        assert "r tries again" in notice
        steps = other.global_step
        await pilot.press("r")
        await until(pilot, lambda: phases(app)[1] == "training")
        assert app.session.histories["keras"].pid != pid
        await until(pilot, lambda: other.global_step > steps)
        assert other.failure is None
        await pilot.pause(0.3)
        assert not app.screen.query_one("#panel-keras #notice").display


@pytest.mark.fault("workers", "SIGSTOP: its pane says so, and which keys end it; they do, and the other trains on")
@pytest.mark.parametrize("size", SIZES)
async def test_a_worker_that_hangs_is_ended_by_the_keys_that_its_pane_names(
    size: tuple[int, int], tmp_path: Path, small_mnist: Path
) -> None:
    async with opened(tmp_path, small_mnist, size, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        keras, other = app.session.histories["keras"], app.session.histories["pytorch"]
        pid, other_pid = keras.pid, other.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        steps = other.global_step
        await until(pilot, lambda: "not answering for" in text_of(app, "#panel-keras #status"))
        assert other.global_step > steps
        assert "a a shift+k ends it" in text_of(app, "#panel-keras #status"), "and not the other's worker"
        assert "ends it" not in text_of(app, "#panel-pytorch #status")
        await pilot.press("a", "a")
        await until(pilot, lambda: "a shift+k ends it" not in text_of(app, "#panel-keras #status"))
        assert "shift+k ends it" in text_of(app, "#panel-keras #status")
        await pilot.press("K")
        await until(pilot, lambda: phases(app)[1] == "failed" and keras.exited is not None)
        assert keras.failure is not None
        assert keras.failure.kind == "killed"
        await pilot.press("r")
        await until(pilot, lambda: phases(app)[1] == "training")
        assert keras.pid not in (None, pid)
        await until(pilot, lambda: "ends it" not in text_of(app, "#panel-keras #status"))
        steps = other.global_step
        await until(pilot, lambda: other.global_step > steps)
        assert (other.pid, other.failure) == (other_pid, None), "the same worker all along"


LOOKED_AFTER: dict[str, tuple[type[Any], str, Callable[..., str]]] = {
    "before there is a worker": (Supervisor, "run", lambda supervisor: supervisor.spec.name),
    "while the worker starts": (Sampler, "watch", lambda sampler, engine, *_: engine),
    "while it trains": (Supervisor, "_hear", lambda own, line: own.spec.name if b'"TrainProgress"' in line else ""),
}
"""What fails in the thread that owns a worker: (class, method, whose worker it is about)."""


@pytest.mark.fault("app", "an exception in the thread that owns a worker: said in the pane, and r trains again")
@pytest.mark.parametrize("when", LOOKED_AFTER)
async def test_an_exception_in_a_worker_s_thread_is_a_failed_run(
    when: str, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, engine_of = LOOKED_AFTER[when]
    honest, raised = getattr(owner, name), list[int]()
    before = set(psutil.Process().children(recursive=True))

    def fails_once(*args: Any) -> Any:
        if engine_of(*args) == "keras" and not raised:
            raised.append(threading.get_ident())
            raise ZeroDivisionError("nobody foresaw this")
        return honest(*args)

    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("K")
        await until(pilot, lambda: phases(app) == ["off", "off"] and not app.session.running)
        monkeypatch.setattr(owner, name, fails_once)
        keras, other = app.session.histories["keras"], app.session.histories["pytorch"]
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "failed"] and keras.exited is not None)
        assert raised[0] != threading.get_ident()
        assert (keras.failure.kind, "Traceback" in keras.failure.traceback) == ("internal", True)  # type: ignore[union-attr]
        await until(pilot, lambda: bool(app.screen.query("#panel-keras #notice")))
        notice = text_of(app, "#panel-keras #notice")
        assert "ZeroDivisionError: nobody foresaw this" in notice
        assert "r tries again" in notice
        left = set(psutil.Process().children(recursive=True)) - before
        assert {child.pid for child in left} == {other.pid}
        failed = app.session.folder("keras")
        await pilot.press("r")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        steps = other.global_step
        await until(pilot, lambda: other.global_step > steps and keras.global_step > 0)
        assert other.failure is None
    assert failed is not None
    events = [event for event in read_events(failed / "events.jsonl") if event.engine == "keras"]
    assert isinstance(events[-1], WorkerExited)
    assert violations(events) == []


@pytest.mark.fault("app", "no thread can be had for a worker: said in its pane, and r tries again")
async def test_no_thread_for_a_worker(tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("K")
        await until(pilot, lambda: phases(app) == ["off", "off"] and not app.session.running)
        with monkeypatch.context() as patched:
            patched.setattr(futures.ThreadPoolExecutor, "submit", _no_thread)
            await pilot.press("s")
            await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: bool(app.screen.query("#panel-keras #notice")))
        assert "can't start new thread" in text_of(app, "#panel-keras #notice")
        await pilot.press("r")
        await until(pilot, lambda: phases(app) == ["training", "training"])


def _no_thread(*_: Any) -> Any:
    raise RuntimeError("can't start new thread")


@pytest.mark.fault("app", "a worker dies while it is imported, before any run was asked for: its pane says so")
async def test_a_framework_that_ends_its_worker_while_the_user_reads(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "abort@import")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: bool(app.screen.query("#panel-keras #notice")))
        notice = text_of(app, "#panel-keras #notice")
        assert "was ended by SIGABRT while importing keras" in notice
        assert "r tries again" in notice
        monkeypatch.setenv("MNIST_TUI_SCRIPT", "")
        await pilot.press("r")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])


async def test_killed_while_it_waits_for_another_worker(tmp_path: Path, small_mnist: Path) -> None:
    """The other's run is whole without it: it has a summary, and its record is nobody's any more."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        app.controller.settings |= {"threads": 7, "framework": "keras"}
        app.action_start()
        await until(pilot, lambda: phases(app)[1] == "finished" and not app.session.running)
        app.controller.settings |= {"framework": "both"}
        app.action_start()  # a worker that has its threads already, and one that must be another
        app.session.kill("pytorch")
        await until(pilot, lambda: phases(app)[1] == "finished" and not app.session.running)
        folder = app.session.folder("keras")
        assert folder is not None
        await until(pilot, lambda: (folder / "summary.json").is_file())
        assert app.session.histories["pytorch"].run_id != folder.name


async def test_kill_by_key(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await pilot.press("K")
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        assert app.session.histories["keras"].failure.kind == "killed"  # type: ignore[union-attr]


async def test_a_second_start_uses_the_warm_workers(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        pids = [history.pid for history in app.session.histories.values()]
        await pilot.press("s")
        await until(pilot, lambda: len(list((tmp_path / "runs").glob("*/summary.json"))) == 2)
        assert [history.pid for history in app.session.histories.values()] == pids


async def test_one_framework_alone(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, framework="keras") as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app)[1] == "finished")
        assert phases(app)[0] == "off"


async def test_time_trial_takes_turns(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, mode="time-trial") as (app, pilot):
        await pilot.press("s")
        overlapped = []

        def done() -> bool:
            overlapped.append(sum(history.running for history in app.session.histories.values()) > 1)
            return phases(app) == ["finished", "finished"]

        await until(pilot, done)
        assert not any(overlapped)


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


async def test_q_belongs_to_the_dialog_that_is_open(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        for dialog in (HelpDialog(()), ParityScreen((), tmp_path, {}), Question("Delete it?", "Delete"), QuitDialog()):
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


async def test_a_slow_file_system_does_not_hold_the_leaving_up(tmp_path: Path, small_mnist: Path) -> None:
    """Nor does it cost the workers their last words, however many threads wait for it."""
    answers = threading.Event()
    try:
        async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
            await pilot.press("s")
            await until(pilot, lambda: phases(app) == ["training", "training"])
            loop = asyncio.get_running_loop()
            waiting = [loop.run_in_executor(None, answers.wait) for _ in range(POOL_THREADS)]
        assert not any(one.done() for one in waiting)
        (events,) = (tmp_path / "runs").glob("*/events.jsonl")
        exits = [event for event in read_events(events) if isinstance(event, WorkerExited)]
        assert {(event.returncode, event.signal) for event in exits} == {(0, "")}, "none was killed"
    finally:
        answers.set()


async def test_settings_validate_as_one_types(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("e")
        await pilot.pause()
        form = app.screen
        assert isinstance(form, SettingsScreen)
        epochs = form.query_one("#epochs", Input)
        epochs.value = "zero"
        await pilot.pause()
        assert "whole number" in str(form.query_one("#reason-epochs", Static).render())
        await pilot.press("ctrl+s")
        assert app.screen is form, "a wrong field can't be kept"
        epochs.value = "3"
        await pilot.pause()
        assert "--epochs 3" in str(form.query_one("#command", Static).render())
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.controller.settings["epochs"] == 3
        assert preferences.load(tmp_path / preferences.FILE)["epochs"] == 3


async def test_a_preset_changes_what_presets_set_and_nothing_else(tmp_path: Path, small_mnist: Path) -> None:
    own: dict[str, Any] = {
        "target_accuracy": 98.0,
        "limit_test": 500,
        "eval_every": 3,
        "patience": 2,
        "stop_on_nan": False,
        "seed": 7,
    }
    async with opened(tmp_path, small_mnist, **own) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#preset", Select).value = "quick"
        await until(pilot, lambda: "--preset quick" in text_of(app, "#command"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrainScreen))
        assert app.controller.settings == {**own, "data_dir": str(small_mnist), "preset": "quick"}


async def test_a_device_that_can_not_be_used_says_why(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#device", Select).value = "cuda:0"
        await pilot.pause()
        assert "scripted away" in str(app.screen.query_one("#reason-device", Static).render())


def test_the_form_has_every_setting_once() -> None:
    assert sorted(FORM_FIELDS) == sorted(field.name for field in dataclasses.fields(TrainConfig))


async def test_what_an_optimizer_does_not_use_is_grey(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        form = app.screen
        assert form.query_one("#momentum").disabled
        form.query_one("#optimizer", Select).value = "sgd"
        await until(pilot, lambda: not form.query_one("#momentum").disabled)
        assert form.query_one("#rho").disabled
        assert form.query_one("#learning_rate", Input).value == "0.05", "its usual one"
        await until(pilot, lambda: "--optimizer sgd" in text_of(app, "#command"))
        assert "--learning-rate" not in text_of(app, "#command")


async def test_the_field_in_hand_is_explained(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#dropout").focus()
        await until(pilot, lambda: "the dense layer drops twice that. Default: 0.25" in text_of(app, "#help"))


async def test_escape_changes_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        before = dict(app.controller.settings)
        await pilot.press("e")
        await pilot.pause()
        app.screen.query_one("#epochs", Input).value = "9"
        await pilot.press("escape")
        await pilot.pause()
        assert app.controller.settings == before


async def test_logs_show_what_the_worker_printed(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("l", "s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(
            pilot, lambda: "last words" in "\n".join(s.text for s in app.screen.query_one("#log-keras", LogPane).lines)
        )
        screen = app.export_screenshot()
        assert "\x1b" not in screen


async def test_logs_are_searched_scrolled_and_copied(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s", "l")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(pilot, lambda: "last words" in log_of(app, "keras"))
        lines = len(log_of(app, "keras").splitlines())
        await pilot.press("slash", *"WORDS")
        await until(pilot, lambda: len(log_of(app, "keras").splitlines()) < lines)
        assert "last words" in log_of(app, "keras")
        assert app.train_screen.view.cursor is None
        await pilot.press("enter", "L")
        assert set(app.clipboard.splitlines()) == {line for line in app.clipboard.splitlines() if "words" in line}
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(log_of(app, "keras").splitlines()) == lines)
        await pilot.press("pageup", "pagedown", "end")
        await pilot.press("l")
        assert app.train_screen.check_action("copy_logs", ()) is None


async def test_help_lists_every_command(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (100, 80)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpDialog)
        screen = app.export_screenshot().replace("&#160;", " ")
        for command in COMMANDS:
            assert command.help.split()[0] in screen
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, TrainScreen)


async def test_impossible_commands_are_grey_and_do_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        assert app.check_action("stop", ()) is None
        assert app.check_action("start", ()) is True
        await pilot.press("x", "space", "r")
        assert phases(app) == ["ready", "ready"]
        assert app.screen.query_one(KeyBar).display


async def test_themes_and_scales(tmp_path: Path, small_mnist: Path) -> None:
    assert arguments.THEMES == themes.NAMES
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        for name in (*themes.NAMES[1:], themes.NAMES[0]):
            await pilot.press("t", "y")
            await pilot.pause(0.1)
            assert app.theme == name
            assert preferences.load(tmp_path / preferences.FILE)["theme"] == name


async def test_charts_by_keys(tmp_path: Path, small_mnist: Path) -> None:
    """Axis, scale, smoothing, cursor, zoom, pan, all again: each is seen in the chart or in its heading."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.pause(0.5)
        chart = "#panel-keras #loss"
        seen = [drawn(app, chart)]
        for key in ("y", "y", "v", "X", "X", "X"):
            await pilot.press(key)
            await pilot.pause()
            assert drawn(app, chart) != seen[-1], key
            seen.append(drawn(app, chart))
        assert " step└" in seen[0]
        assert "epoch└" in seen[4]
        assert "  sec└" in seen[5]
        await pilot.press("left", "left", "left")
        await pilot.pause()
        assert "┊" in drawn(app, chart)
        assert "┊" in drawn(app, "#panel-pytorch #accuracy"), "one cursor for all charts"
        assert any(at in heading(app, chart) for at in ("step 19", "step 18"))
        before = drawn(app, chart)
        await pilot.press("plus", "plus")
        await pilot.pause()
        assert drawn(app, chart) != before
        await pilot.press("shift+left")
        assert app.train_screen.view.right is not None
        await pilot.press("shift+right", "shift+right", "shift+right", "shift+right")
        assert app.train_screen.view.right is None, "it follows the tail again"
        await pilot.press("minus", "minus", "escape")
        assert app.train_screen.view.stretch is None
        assert app.train_screen.view.cursor is None


async def test_charts_by_mouse(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        chart = app.screen.query_one("#panel-keras #loss", LineChart)
        await hover_until(pilot, chart, (20, 3), lambda: "┊" in drawn(app, "#panel-pytorch #loss"))
        chart.post_message(
            MouseScrollUp(chart, 20, 3, 0, -1, 0, shift=False, meta=False, ctrl=False, screen_x=20, screen_y=3)
        )
        await until(pilot, lambda: app.train_screen.view.stretch is not None)
        for elsewhere, offset in (("#panel-keras #loss", (20, 0)), ("#header", (0, 0))):  # a heading is not its chart
            await hover_until(pilot, elsewhere, offset, lambda: app.train_screen.view.cursor is None)
            await hover_until(pilot, chart, (20, 3), lambda: app.train_screen.view.cursor is not None)


@pytest.mark.parametrize("size", [*SIZES, (50, 12)])
async def test_overlay_and_maximise(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        for key, shown, hidden in (
            ("m", "#overlay-loss-chart", "#panel-keras #loss"),
            ("m", "#overlay-accuracy-chart", "#overlay-loss-chart"),
        ):
            await pilot.press(key)
            await until(pilot, lambda shown=shown: any(0x2800 < ord(c) < 0x2900 for c in drawn(app, shown)))  # type: ignore[misc]
            assert not app.screen.query_one(hidden).region.height
        await pilot.press("m")
        await until(pilot, lambda: not app.screen.query_one("#overlay").region.height)
        await pilot.press("o")
        if size[1] > 20:
            await until(pilot, lambda: any(0x2800 < ord(c) < 0x2900 for c in drawn(app, "#overlay-loss-chart")))
            legend = heading(app, "#overlay-loss-chart")
            assert "●" in legend
            assert "◆" in legend
            assert app.screen.query_one("#panel-keras #status").region.height
        await pilot.press("o")
        await until(pilot, lambda: not app.screen.query_one("#overlay").region.height)


async def test_a_missing_framework_says_what_to_install(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "missing")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await pilot.pause(0.3)
        assert "pip install torch" in text_of(app, "#panel-pytorch #notice")
        assert "pip install tensorflow keras" in text_of(app, "#panel-keras #notice")


@pytest.mark.fault("disk", "a runs folder that can't be written")
async def test_an_unwritable_runs_folder_is_said_and_training_goes_on(tmp_path: Path, small_mnist: Path) -> None:
    (tmp_path / "runs").write_text("a file is in the way")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await pilot.pause(0.2)
        assert "not kept" in text_of(app, "#machine")


async def test_panels_know_no_framework(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, _):
        panels = list(app.screen.query(EnginePanel))
        assert [panel.engine for panel in panels] == ["pytorch", "keras"]


async def test_a_killed_engine_goes_on_from_its_checkpoint_while_the_other_trains(
    tmp_path: Path, small_mnist: Path
) -> None:
    """c, the key that the notice names: a new folder, the same curve, no step of the other lost."""
    async with opened(tmp_path, small_mnist, epochs=1000) as (app, pilot):
        await pilot.press("s")
        keras, other = app.session.histories["keras"], app.session.histories["pytorch"]
        await until(pilot, lambda: keras.epoch >= 3 and bool(keras.checkpoint))
        assert keras.pid
        os.kill(keras.pid, signal.SIGKILL)
        await until(pilot, lambda: keras.phase == "failed" and keras.exited is not None)
        step, epoch, points = keras.global_step, keras.checkpoint_epoch, len(other.train_loss)
        await pilot.pause(0.3)
        assert f"c goes on from epoch {epoch}" in text_of(app, "#panel-keras #notice")
        await pilot.press("c")
        await until(pilot, lambda: keras.phase == "training" and keras.global_step > step)
        assert keras.train_loss.xs[0] == 1
        assert other.running
        assert len(other.train_loss) > points
        assert len(list((tmp_path / "runs").iterdir())) == 2


async def test_stop_then_continue(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=1000) as (app, pilot):
        await pilot.press("c")
        await pilot.press("s")
        await until(pilot, lambda: all(h.epoch >= 2 for h in app.session.histories.values()))
        await pilot.press("w", "x")
        await until(pilot, lambda: phases(app) == ["stopped", "stopped"])
        steps = [history.global_step for history in app.session.histories.values()]
        await pilot.press("c")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await until(
            pilot,
            lambda: all(h.global_step > s for h, s in zip(app.session.histories.values(), steps, strict=True)),
        )


async def test_a_diverged_run_says_so_in_its_pane(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@5")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["diverged", "diverged"])
        await pilot.pause(0.3)
        assert "Diverged: the loss was nan at step" in text_of(app, "#panel-keras #notice")


async def test_the_one_that_waits_says_for_whom(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=1000, mode="time-trial") as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: app.session.histories["pytorch"].phase == "training")
        await pilot.pause(0.3)
        assert "waits for PyTorch" in text_of(app, "#panel-keras #status")
        assert "time trial" in text_of(app, "#race")
        await pilot.press("x")
        await until(pilot, lambda: app.session.histories["pytorch"].phase == "stopped")
        await pilot.pause(0.3)
        assert not app.session.running, "a stop ends the whole series"
        assert "press s" in text_of(app, "#panel-keras #status")
        (folder,) = (tmp_path / "runs").iterdir()
        assert json.loads((folder / "summary.json").read_text()).keys() == {"pytorch", "comparison"}
        assert violations(event for event in read_events(folder / "events.jsonl") if event.engine == "pytorch") == []


async def test_turns_that_follow_each_other_in_warm_workers_keep_the_grammar(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.1)
    async with opened(tmp_path, small_mnist, epochs=2, mode="time-trial", threads=1) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        (folder,) = (tmp_path / "runs").iterdir()
        for engine in ("pytorch", "keras"):
            events = [event for event in read_events(folder / "events.jsonl") if event.engine == engine]
            assert violations(events) == []
            assert sum(isinstance(event, WorkerExited) for event in events) == 0, "another run's last words"


async def test_restart_pressed_twice_starts_one_run(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        before = {history.run_id for history in app.session.histories.values()}
        app.action_restart()
        app.action_restart()
        await until(pilot, lambda: before.isdisjoint(history.run_id for history in app.session.histories.values()))
        await until(pilot, lambda: phases(app) == ["finished", "finished"] and not app.session.running)
        assert len(list((tmp_path / "runs").iterdir())) == 2


async def test_the_verdict_stands_in_the_strip(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (200, 60)) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(pilot, lambda: "statistical tie, p = 1.000" in text_of(app, "#race"))
        assert "shared CPU: times not comparable" in text_of(app, "#race")


@pytest.mark.framework
async def test_the_proof_in_the_app(tmp_path: Path, small_mnist: Path) -> None:
    """p: both real engines sit the exam; esc in the middle of the long one leaves no process."""
    app = MnistApp(
        [engine_spec("pytorch"), engine_spec("keras")],
        {"data_dir": str(small_mnist)},
        session=Replay([]),
        cache_dir=tmp_path / "cache",
    )
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("p")
        assert isinstance(app.screen, ParityScreen)
        await until(pilot, lambda: "checks passed" in text_of(app, "#progress"), 120)
        await pilot.press("e")
        await until(pilot, lambda: "step" in text_of(app, "#progress"), 120)
        await pilot.press("escape")
        assert isinstance(app.screen, TrainScreen)
        await until(pilot, lambda: not {child.pid for child in psutil.Process().children(recursive=True)} - before, 20)


@pytest.mark.parametrize("error", [PermissionError("no room for it"), ValueError("no room for it")])
async def test_a_proof_that_can_not_be_had_says_why(
    error: Exception, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it can be asked for again, also after what nobody foresaw."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(parity, "prove", fail)
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: "no room for it" in text_of(app, "#progress"))
        assert isinstance(app.screen, ParityScreen)
        assert not app.screen._proving


async def test_the_last_line_is_clicked_and_drops_what_makes_no_sense_first(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        keys = app.screen.query_one(KeyBar)
        await pilot.click(KeyBar, offset=(keys.line(80).plain.index("Log"), 0))
        await until(pilot, lambda: app.train_screen.check_action("copy_logs", ()) is True)
        assert "Pause" in keys.line(80).plain, "grey, but there is room"
        assert "Pause" not in keys.line(50).plain
        assert "Start" in keys.line(50).plain
        for width in (0, 1, 5, 50, 80, 300):
            assert keys.line(width).cell_len <= width
