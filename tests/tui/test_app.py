"""The app by keys and messages, with real worker processes of the scripted engine, at several sizes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.messages.events import WorkerExited
from engines.messages.grammar import violations
from engines.monitors.sampler import Sampler
from engines.runs.reader import read_events
from engines.session import schedule
from engines.supervision.supervisor import Supervisor
from tests.support.pilot import SIZES, has_curve, notice_of, opened, phases, text_of, until
from tui import preferences
from tui.app import POOL_THREADS
from tui.terminal import startup_gc
from tui.theme_names import THEME_NAMES
from tui.widgets.key_bar import KeyBar


@pytest.mark.parametrize("size", SIZES)
async def test_start_trains_both_engines(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await until(pilot, lambda: "press s to start" in text_of(app, "#panel-keras #status"))
        assert "s  Start" in text_of(app, "#options")
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        for engine in ("pytorch", "keras"):
            status, loss = f"#panel-{engine} #status", f"#panel-{engine} #loss"
            await until(pilot, lambda status=status: "finished" in text_of(app, status))  # type: ignore[misc]
            assert "100 %" in text_of(app, status)
            await until(pilot, lambda loss=loss: has_curve(app, loss))  # type: ignore[misc]
        assert "CUSTOM DIGITS, not MNIST" in text_of(app, "#header")
        assert ("640 + 200" in text_of(app, "#header")) is (size[0] >= 200)
        (run,) = (tmp_path / "runs").iterdir()
        await until(pilot, (run / "summary.json").is_file)
        assert {"config.json", "events.jsonl"} <= {path.name for path in run.iterdir()}


async def test_garbage_collection_resumes_after_the_first_paint(tmp_path: Path, small_mnist: Path) -> None:
    startup_gc.pause_gc()
    try:
        async with opened(tmp_path, small_mnist) as (_, pilot):
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()


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


async def test_a_killed_worker_is_reported_and_restarted_while_the_other_trains(
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
        await until(pilot, lambda: "SIGKILL" in notice_of(app, "keras"))
        assert "r tries again" in notice_of(app, "keras")
        steps = other.global_step
        await pilot.press("r")
        await until(pilot, lambda: phases(app)[1] == "training")
        assert app.session.histories["keras"].pid != pid
        await until(pilot, lambda: other.global_step > steps)
        assert other.failure is None
        await until(pilot, lambda: not notice_of(app, "keras"))


@pytest.mark.fault(
    "workers", "SIGSTOP: reported in its pane with the keys that kill it; they do, and the other trains on"
)
@pytest.mark.parametrize("size", SIZES)
async def test_a_hanging_worker_is_killed_by_the_keys_that_its_pane_names(
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
        assert "a a shift+k ends it" in text_of(app, "#panel-keras #status"), "these keys kill no other worker"
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
        assert (other.pid, other.failure) == (other_pid, None), "it is still the same worker"


THREAD_FAILURES: dict[str, tuple[type[Any], str, Callable[..., str]]] = {
    "before there is a worker": (Supervisor, "run", lambda supervisor: supervisor.spec.name),
    "while the worker starts": (Sampler, "watch", lambda sampler, engine, *_: engine),
    "while it trains": (Supervisor, "_receive", lambda own, data: own.spec.name if b'"TrainProgress"' in data else ""),
}
"""Methods that fail in the thread that owns a worker: (class, method, function from its arguments to the engine)."""


@pytest.mark.fault("app", "an exception in the thread that owns a worker: reported in the pane, and r trains again")
@pytest.mark.parametrize("when", THREAD_FAILURES)
async def test_an_exception_in_a_supervisor_thread_is_a_failed_run(
    when: str, tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, engine_of = THREAD_FAILURES[when]
    original, raised = getattr(owner, name), list[int]()
    before = set(psutil.Process().children(recursive=True))

    def fails_once(*args: Any) -> Any:
        if engine_of(*args) == "keras" and not raised:
            raised.append(threading.get_ident())
            raise ZeroDivisionError("an unexpected error")
        return original(*args)

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
        await until(pilot, lambda: bool(notice_of(app, "keras")))
        notice = notice_of(app, "keras")
        assert "ZeroDivisionError: an unexpected error" in notice
        assert "r tries again" in notice
        children = set(psutil.Process().children(recursive=True)) - before
        assert {child.pid for child in children} == {other.pid}
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


@pytest.mark.fault("app", "no thread can be started for a worker: reported in its pane, and r tries again")
async def test_a_thread_that_cannot_start_is_reported(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("K")
        await until(pilot, lambda: phases(app) == ["off", "off"] and not app.session.running)
        with monkeypatch.context() as patched:
            patched.setattr(futures.ThreadPoolExecutor, "submit", _no_thread)
            await pilot.press("s")
            await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: "can't start new thread" in notice_of(app, "keras"))
        await pilot.press("r")
        await until(pilot, lambda: phases(app) == ["training", "training"])


def _no_thread(*_: Any) -> Any:
    raise RuntimeError("can't start new thread")


@pytest.mark.fault("app", "a worker dies during the import, before any run was started: reported in its pane")
async def test_a_worker_that_dies_during_the_import_is_reported(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "abort@import")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: bool(notice_of(app, "keras")))
        notice = notice_of(app, "keras")
        assert "was ended by SIGABRT while importing keras" in notice
        assert "r tries again" in notice
        monkeypatch.setenv("MNIST_TUI_SCRIPT", "")
        await pilot.press("r")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])


async def test_killing_an_engine_that_waits_for_a_worker_drops_only_that_engine(
    tmp_path: Path, small_mnist: Path
) -> None:
    """The other engine's run is complete: it has a summary, and the killed engine is not in it."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        app.controller.request = app.controller.request.choose("threads", 7).choose("framework", "keras")
        app.action_start()
        await until(pilot, lambda: phases(app)[1] == "finished" and not app.session.running)
        app.controller.request = app.controller.request.choose("framework", "both")
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


async def test_a_second_start_reuses_the_workers(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        pids = [history.pid for history in app.session.histories.values()]
        await pilot.press("s")
        await until(pilot, lambda: len(list((tmp_path / "runs").glob("*/summary.json"))) == 2)
        assert [history.pid for history in app.session.histories.values()] == pids


async def test_one_framework_trains_alone(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, framework="keras") as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app)[1] == "finished")
        assert phases(app)[0] == "off"


async def test_a_time_trial_never_trains_two_engines_at_once(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, mode="time-trial") as (app, pilot):
        await pilot.press("s")
        overlapped = []

        def done() -> bool:
            overlapped.append(sum(history.running for history in app.session.histories.values()) > 1)
            return phases(app) == ["finished", "finished"]

        await until(pilot, done)
        assert not any(overlapped)


async def test_a_slow_file_system_does_not_delay_the_exit(tmp_path: Path, small_mnist: Path) -> None:
    """The workers exit by themselves, however many threads wait for the file system."""
    response = threading.Event()
    try:
        async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
            await pilot.press("s")
            await until(pilot, lambda: phases(app) == ["training", "training"])
            loop = asyncio.get_running_loop()
            waiting = [loop.run_in_executor(None, response.wait) for _ in range(POOL_THREADS)]
        assert not any(call.done() for call in waiting)
        (events,) = (tmp_path / "runs").glob("*/events.jsonl")
        exits = [event for event in read_events(events) if isinstance(event, WorkerExited)]
        assert {(event.returncode, event.signal) for event in exits} == {(0, "")}, "none was killed"
    finally:
        response.set()


async def test_disabled_commands_do_nothing(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        assert app.check_action("stop", ()) is None
        assert app.check_action("start", ()) is True
        await pilot.press("x", "space", "r")
        assert phases(app) == ["ready", "ready"]
        assert app.screen.query_one(KeyBar).display


async def test_themes_are_switched_and_saved(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        for name in (*THEME_NAMES[1:], THEME_NAMES[0]):
            await pilot.press("t", "y")
            await until(pilot, lambda name=name: app.theme == name)  # type: ignore[misc]
            assert preferences.load(tmp_path / preferences.FILE)["theme"] == name


async def test_a_killed_engine_continues_from_its_checkpoint_while_the_other_trains(
    tmp_path: Path, small_mnist: Path
) -> None:
    """The key c opens a new folder and continues the same curve; the other engine loses no step."""
    async with opened(tmp_path, small_mnist, epochs=1000) as (app, pilot):
        await pilot.press("s")
        keras, other = app.session.histories["keras"], app.session.histories["pytorch"]
        await until(pilot, lambda: keras.epoch >= 3 and bool(keras.checkpoint))
        assert keras.pid
        os.kill(keras.pid, signal.SIGKILL)
        await until(pilot, lambda: keras.phase == "failed" and keras.exited is not None)
        step, epoch, points = keras.global_step, keras.checkpoint_epoch, len(other.train_loss)
        await until(pilot, lambda: f"c continues from epoch {epoch}" in notice_of(app, "keras"))
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


async def test_a_time_trial_with_warm_workers_follows_the_grammar(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.1)
    async with opened(tmp_path, small_mnist, epochs=2, mode="time-trial", threads=1) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        (folder,) = (tmp_path / "runs").iterdir()
        for engine in ("pytorch", "keras"):
            events = [event for event in read_events(folder / "events.jsonl") if event.engine == engine]
            assert violations(events) == []
            assert sum(isinstance(event, WorkerExited) for event in events) == 0, "no worker exits between the turns"


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
