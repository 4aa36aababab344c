"""What the parent sees when a worker dies, hangs or never was: real processes, real signals."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engines.config import TrainConfig
from engines.messages.events import (
    EvalCompleted,
    Event,
    LogLine,
    RunFailed,
    RunFinished,
    RunRequested,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.supervision.output import OutputCapture
from engines.supervision.supervisor import Supervisor
from tests.support.engines import SCRIPTED, Worked

Work = Callable[[], Worked]


def _long(small_mnist: Path) -> TrainConfig:
    return from_settings({"epochs": 5000, "batch_size": 64, "data_dir": str(small_mnist)})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_killed_worker_is_a_failed_run_and_an_exit(number: int, work: Work, small_mnist: Path) -> None:
    worker = work()
    worker.start(_long(small_mnist))
    worker.wait_for(TrainProgress)
    os.kill(worker.of(WorkerReady)[0].pid, number)
    failed = worker.wait_for(RunFailed)
    exited = worker.wait_for(WorkerExited)
    name = signal.Signals(number).name
    assert (failed.kind, exited.signal, name in failed.message) == ("crashed", name, True)
    assert "Restart" in failed.hint
    worker.thread.join(10)
    assert violations(worker.events) == []


def test_the_last_words_of_a_crash_are_its_cause_not_the_end_of_its_stack(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "crash@4")
    worker = work()
    worker.start(small_config)
    message = worker.wait_for(RunFailed).message
    assert message.endswith("Its last words: Fatal Python error: Segmentation fault")


def test_what_was_given_up_is_not_begun(work: Work, small_config: TrainConfig) -> None:
    """A thread that could not be had may come after all."""
    worker = work()
    worker.supervisor.start_run("run", small_config)
    worker.supervisor.abort(RuntimeError("can't start new thread"))
    worker.supervisor.run()
    assert [type(event) for event in worker.events] == [RunRequested, RunFailed, WorkerExited]
    assert not worker.supervisor.start_run("another", small_config)


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("I0000 00:00:1795755507.889524   15320 cudart_stub.cc:31] Could not find cuda drivers", False),
        ("2026-11-27 04:58:25.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary", False),
        ("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", False),
        ("To enable the following instructions: SSE4.1, in other operations, rebuild TensorFlow", False),
        ("W0000 00:00:1795755507.889524   15320 op_kernel.cc:1855] RESOURCE_EXHAUSTED: OOM when allocating", True),
        ("F0000 00:00:1795755507.889524   15320 tensor.cc:12] Check failed: dtype", True),
    ],
)
def test_what_a_framework_remarks_is_no_cause(line: str, last: bool) -> None:
    printed = OutputCapture(lambda stream, text: None)
    printed.feed(f"something went wrong\n{line}\n".encode(), "stderr")
    assert printed.last_words == (line if last else "something went wrong")


def test_an_exit_without_a_word_is_said(work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "exit@4")
    worker = work()
    worker.start(small_config)
    assert "code 3" in worker.wait_for(RunFailed).message
    assert worker.wait_for(WorkerExited).returncode == 3


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("raise@3", "internal"),
        ("oom@3", "out-of-memory"),
        ("break@import", "framework"),
        ("missing", "missing-framework"),
    ],
)
def test_failures_have_a_kind_and_a_hint(
    script: str, kind: str, work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", script)
    worker = work()
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, failed.run_id) == (kind, "run")
    assert failed.hint
    assert failed.traceback
    worker.finish()
    assert violations(worker.events) == []


def test_nan_is_no_failure(work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@3")
    worker = work()
    worker.start(small_config)
    worker.wait_for(RunFinished)
    assert any(event.loss != event.loss for event in worker.of(TrainProgress))


def test_a_hanging_worker_is_ended_by_the_ladder(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@3")
    worker = work()
    worker.start(small_config)
    worker.wait_for(TrainProgress)
    worker.supervisor.end()
    assert worker.wait_for(RunFailed, timeout=6).kind == "interrupted"
    worker.wait_for(WorkerExited, timeout=6)


def test_a_stopped_worker_is_ended_by_the_ladder(work: Work, small_mnist: Path) -> None:
    """SIGSTOP: it hears nothing, and SIGTERM waits; SIGKILL does not."""
    worker = work()
    worker.start(_long(small_mnist))
    worker.wait_for(TrainProgress)
    os.kill(worker.of(WorkerSpawned)[0].pid, signal.SIGSTOP)
    worker.supervisor.end()
    assert worker.wait_for(WorkerExited, timeout=6).signal == "SIGKILL"


def test_kill_is_said_to_be_wanted(work: Work, small_mnist: Path) -> None:
    worker = work()
    worker.start(_long(small_mnist))
    worker.wait_for(TrainProgress)
    worker.supervisor.kill()
    assert worker.wait_for(RunFailed).kind == "killed"


def test_an_interpreter_that_is_not_there(work: Work, small_config: TrainConfig) -> None:
    worker = work()
    worker.supervisor.spec = dataclasses.replace(worker.supervisor.spec, python="/nowhere/python")
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, "/nowhere/python" in failed.message) == ("missing-interpreter", True)
    assert worker.wait_for(WorkerExited).returncode is None
    assert violations(worker.events) == []


def test_a_run_may_be_called_as_the_one_before(work: Work, small_config: TrainConfig) -> None:
    worker = work()
    for _ in range(2):
        worker.start(small_config, run_id="bench")
        assert worker.wait_for(RunFinished).run_id == "bench"
    worker.finish()
    assert violations(worker.events) == []


def test_failed_starts_leave_no_descriptors(work: Work) -> None:
    def fail() -> None:
        worker = work()
        worker.supervisor.spec = dataclasses.replace(worker.supervisor.spec, python="/nowhere/python")
        worker.supervisor.run()

    fail()
    before = psutil.Process().num_fds()
    fail()
    assert psutil.Process().num_fds() == before


def test_who_asks_for_a_run_does_not_wait_for_who_writes_it_down(work: Work, small_config: TrainConfig) -> None:
    worker, written = work(), threading.Event()

    def write_down(_: Event) -> None:
        written.wait(60)

    worker.supervisor = Supervisor(worker.supervisor.spec, write_down, cache_dir=Path("/nowhere"), threads=1)
    worker.thread = threading.Thread(target=worker.supervisor.run, daemon=True)
    worker.start()  # its thread now waits for a slow disk
    assert worker.supervisor.start_run("run", small_config)
    worker.supervisor.kill()
    written.set()
    worker.thread.join(30)
    assert not worker.thread.is_alive()


_APP = """
import sys, threading
from pathlib import Path
from engines.api import EngineSpec, Supervisor, from_settings
spec = EngineSpec(name="pytorch", title="x", module={module!r}, python=sys.executable)
supervisor = Supervisor(spec, lambda e: print(type(e).__name__, getattr(e, "pid", ""), flush=True), cache_dir=Path({cache!r}))
supervisor.start_run("r", from_settings({{"epochs": 5000, "batch_size": 64, "data_dir": {data!r}}}))
supervisor.run()
"""


def test_a_worker_ends_itself_when_its_app_is_gone(small_mnist: Path, tmp_path: Path) -> None:
    """SIGKILL of the app: nothing of it can clean up, and nothing is left within five seconds."""
    script = _APP.format(module=str(SCRIPTED), cache=str(tmp_path), data=str(small_mnist))
    app = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert app.stdout
    pid = 0
    for line in app.stdout:
        name, _, number = line.strip().partition(" ")
        pid = int(number) if name == "WorkerSpawned" else pid
        if name == "TrainProgress":
            break
    worker = psutil.Process(pid)
    app.kill()
    app.wait()
    worker.wait(timeout=5)
    app.stdout.close()


@pytest.mark.parametrize("how", ["end", "kill", "crash"])
def test_what_a_worker_left_behind_goes_too(
    how: str, work: Work, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "child@2")
    worker = work()
    worker.start(_long(small_mnist))
    said = worker.wait_for(LogLine, until=lambda line: line.text.startswith("child"))
    child = psutil.Process(int(said.text.split()[1]))
    if how == "crash":
        os.kill(worker.of(WorkerSpawned)[0].pid, signal.SIGKILL)
    else:
        getattr(worker.supervisor, how)()
    worker.wait_for(WorkerExited)
    child.wait(timeout=5)


def test_wall_seconds_begin_when_the_run_was_asked_for(work: Work, small_config: TrainConfig) -> None:
    """Also where the worker has to import its framework first: so no milestone is later than the whole run."""
    worker = work()
    worker.start(small_config)
    ended, history = worker.wait_for(RunFinished), RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    asked, tested = worker.of(RunRequested)[0], worker.of(EvalCompleted)[-1]
    assert tested.t - asked.t <= ended.wall_seconds <= ended.t - asked.t
    assert max((one.wall_seconds for one in history.milestones), default=0.0) <= ended.wall_seconds
