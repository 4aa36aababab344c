"""The parent's view of a worker that dies, hangs or never starts: real processes, real signals."""

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
from engines.messages.codec import decode_command
from engines.messages.commands import Command, Pause, Predict, Resume, SaveCheckpoint, Stop
from engines.messages.events import (
    CommandSent,
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
from engines.runs.phases import FAILED
from engines.supervision.output import OutputCapture
from engines.supervision.supervisor import Supervisor
from tests.support.engines import SCRIPTED, Worked, scripted_spec

Work = Callable[[], Worked]


def _long(small_mnist: Path) -> TrainConfig:
    return from_settings({"epochs": 5000, "batch_size": 64, "data_dir": str(small_mnist)})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_dies_is_reported(number: int, work: Work, small_mnist: Path) -> None:
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


def test_a_crash_is_explained_by_its_message_not_by_its_stack(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "crash@4")
    worker = work()
    worker.start(small_config)
    message = worker.wait_for(RunFailed).message
    assert message.endswith("Its last words: Fatal Python error: Segmentation fault")


def test_a_command_between_runs_is_not_published(tmp_path: Path, small_config: TrainConfig) -> None:
    """A screen that saw a Stop with no run under way would wait for its effect in the next run."""
    events: list[Event] = []
    supervisor = Supervisor(scripted_spec(), events.append, cache_dir=tmp_path)
    between: tuple[Command, ...] = (Pause(), Resume(), Stop())
    for command in between:
        supervisor.send(command)
    supervisor._encode_commands()
    assert events == []
    supervisor.start_run("run", small_config)
    during: tuple[Command, ...] = (Pause(), SaveCheckpoint(), Predict(request_id=1, image=()), Stop())
    for command in during:
        supervisor.send(command)
    supervisor._encode_commands()
    assert [event.command for event in events if isinstance(event, CommandSent)] == ["Pause", "Stop"]
    sent = [decode_command(line) for line in bytes(supervisor._unsent).splitlines()]
    assert [type(command).__name__ for command in sent] == [
        "Pause", "Resume", "Stop", "Start", "Pause", "SaveCheckpoint", "Predict", "Stop",
    ]  # fmt: skip
    supervisor.abort(RuntimeError("the test has ended"))


def test_an_aborted_worker_is_not_started(work: Work, small_config: TrainConfig) -> None:
    """A thread whose start raised an error may run all the same."""
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
        (
            "E0000 00:00:1796069542.527904   25146 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
            False,
        ),
        (
            "2024-05-01 10:00:00.123456: E external/local_xla/xla/cuda_dnn.cc:9261] Unable to register cuDNN factory",
            False,
        ),
        ("E0000 00:00:1795755507.889524   15320 gpu.cc:18] failed to launch the kernel", True),
        ("To enable the following instructions: SSE4.1, in other operations, rebuild TensorFlow", False),
        ("W0000 00:00:1795755507.889524   15320 op_kernel.cc:1855] RESOURCE_EXHAUSTED: OOM when allocating", True),
        ("F0000 00:00:1795755507.889524   15320 tensor.cc:12] Check failed: dtype", True),
    ],
)
def test_a_notice_of_a_framework_explains_no_exit(line: str, last: bool) -> None:
    output = OutputCapture(lambda stream, text: None)
    output.feed(f"something went wrong\n{line}\n".encode(), "stderr")
    assert output.last_words == (line if last else "something went wrong")


def test_an_exit_without_output_is_reported(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        ("poison@3", "device"),
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


@pytest.mark.fault("workers", "a CUDA context that every later run in the process would find broken")
def test_a_poisoned_gpu_ends_its_worker_and_the_next_run_gets_a_new_one(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "poison@3")
    worker = work()
    worker.start(small_config)
    pid = worker.wait_for(WorkerReady).pid
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, failed.ends_worker) == ("device", True)
    assert worker.supervisor.ending, "or the next run would be sent to this worker"
    assert "Restart starts a new worker" in failed.hint
    exited = worker.wait_for(WorkerExited)
    assert (exited.returncode, exited.signal) == (0, "")
    assert len(worker.of(RunFailed)) == 1, "the end of the worker is part of the failure, not a crash of its own"
    history = RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    assert (history.phase, history.failure) == (FAILED, failed)
    assert violations(worker.events) == []
    worker.thread.join(10)
    monkeypatch.delenv("MNIST_TUI_SCRIPT")
    worker.start(small_config, "again")
    assert worker.wait_for(RunFinished).outcome == "completed"
    assert worker.of(WorkerReady)[0].pid != pid
    worker.finish()


def test_a_nan_loss_is_no_failure(work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@3")
    worker = work()
    worker.start(small_config)
    worker.wait_for(RunFinished)
    assert any(event.loss != event.loss for event in worker.of(TrainProgress))


def test_a_hanging_worker_is_ended_by_signals(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@3")
    worker = work()
    worker.start(small_config)
    worker.wait_for(TrainProgress)
    worker.supervisor.end()
    assert worker.wait_for(RunFailed, timeout=6).kind == "interrupted"
    worker.wait_for(WorkerExited, timeout=6)


def test_a_stopped_worker_is_ended_by_signals(work: Work, small_mnist: Path) -> None:
    """A worker after SIGSTOP reads nothing, and SIGTERM waits; SIGKILL does not."""
    worker = work()
    worker.start(_long(small_mnist))
    worker.wait_for(TrainProgress)
    os.kill(worker.of(WorkerSpawned)[0].pid, signal.SIGSTOP)
    worker.supervisor.end()
    assert worker.wait_for(WorkerExited, timeout=6).signal == "SIGKILL"


def test_a_kill_is_reported_as_intended(work: Work, small_mnist: Path) -> None:
    worker = work()
    worker.start(_long(small_mnist))
    worker.wait_for(TrainProgress)
    worker.supervisor.kill()
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "killed"
    assert failed.message.startswith("Killed ")
    assert "epoch" in failed.message


def test_a_missing_interpreter_is_reported(work: Work, small_config: TrainConfig) -> None:
    worker = work()
    worker.supervisor.spec = dataclasses.replace(worker.supervisor.spec, python="/nowhere/python")
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, "/nowhere/python" in failed.message) == ("missing-interpreter", True)
    assert worker.wait_for(WorkerExited).returncode is None
    assert violations(worker.events) == []


def test_a_run_may_have_the_id_of_an_earlier_one(work: Work, small_config: TrainConfig) -> None:
    worker = work()
    for _ in range(2):
        worker.start(small_config, run_id="bench")
        assert worker.wait_for(RunFinished).run_id == "bench"
    worker.finish()
    assert violations(worker.events) == []


def test_failed_starts_leave_no_open_descriptors(work: Work) -> None:
    """Some of an earlier test may be closed meanwhile, so ten starts are allowed fewer than ten more."""

    def fail() -> None:
        worker = work()
        worker.supervisor.spec = dataclasses.replace(worker.supervisor.spec, python="/nowhere/python")
        worker.supervisor.run()

    fail()
    before = psutil.Process().num_fds()
    for _ in range(10):
        fail()
    assert psutil.Process().num_fds() < before + 10


def test_requesting_a_run_does_not_wait_for_a_slow_disk(work: Work, small_config: TrainConfig) -> None:
    worker, written = work(), threading.Event()

    def write(_: Event) -> None:
        written.wait(60)

    worker.supervisor = Supervisor(worker.supervisor.spec, write, cache_dir=Path("/nowhere"), threads=1)
    worker.thread = threading.Thread(target=worker.supervisor.run, daemon=True)
    worker.start()  # its thread now waits in `write`
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
    """After SIGKILL the app can't clean up, and yet no process is left after five seconds."""
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
def test_the_processes_that_a_worker_leaves_behind_are_ended(
    how: str, work: Work, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "child@2")
    worker = work()
    worker.start(_long(small_mnist))
    line = worker.wait_for(LogLine, until=lambda line: line.text.startswith("child"))
    child = psutil.Process(int(line.text.split()[1]))
    if how == "crash":
        os.kill(worker.of(WorkerSpawned)[0].pid, signal.SIGKILL)
    else:
        getattr(worker.supervisor, how)()
    worker.wait_for(WorkerExited)
    child.wait(timeout=5)


def test_wall_seconds_start_at_the_request(work: Work, small_config: TrainConfig) -> None:
    """Importing the framework counts too, so no milestone is later than the end of the run."""
    worker = work()
    worker.start(small_config)
    ended, history = worker.wait_for(RunFinished), RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    requested, tested = worker.of(RunRequested)[0], worker.of(EvalCompleted)[-1]
    assert tested.t - requested.t <= ended.wall_seconds <= ended.t - requested.t
    assert max((milestone.wall_seconds for milestone in history.milestones), default=0.0) <= ended.wall_seconds
