"""Test workers that die, hang, flood the pipe or don't start, in every phase, and that the other engine is unaffected."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.commands import Stop
from engines.messages.events import (
    DataProgress,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    LogLine,
    RunFailed,
    RunFinished,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.phases import FAILED, LOADING
from engines.runs.run_state import HEARTBEAT_LOST_SECONDS
from tests.support.engines import Worked

Work = Callable[..., Worked]

PHASES = {
    "import": "while importing pytorch",
    "data": "while loading the digits",
    "build": "while building the model",
    "0": "in the first step",
    "15": "epoch 2",
    "evaluate": "in epoch 1, after step 10",
    "checkpoint": "after epoch 1",
}
"""The failure's description of what the worker was doing, by the place of the fault."""
DEATHS = {"kill": "SIGKILL", "crash": "SIGSEGV", "abort": "SIGABRT", "exit": "code 3"}
"""The failure's description of how the worker ended, by the fault."""

ScriptedRun = Callable[[str], Worked]


@pytest.fixture
def scripted_run(work: Work, small_config: TrainConfig, tmp_path: Path) -> ScriptedRun:
    """Start a worker that follows a script in a run of two short epochs."""

    def start(script: str) -> Worked:
        os.environ["MNIST_TUI_SCRIPT"] = script  # the fixture `home` removes it
        worker = work("scripted")
        (tmp_path / script.replace("@", "-")).mkdir()
        config = small_config
        if script.endswith("@data"):  # drawing digits takes seconds, so that the fault can happen in the middle
            config = dataclasses.replace(config, dataset="drawn", data_dir="", limit_train=640, limit_test=200)
        worker.start(config, run_dir=str(tmp_path / script.replace("@", "-")))
        return worker

    return start


def history_of(worker: Worked) -> RunHistory:
    """Apply the worker's events to a history, as the engine's panel does."""
    history = RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    return history


def assert_clear_failure(worker: Worked, place: str, how: str) -> None:
    """Check that the failure says what happened, in which phase, and what to do."""
    failed = worker.wait_for(RunFailed)
    worker.wait_for(WorkerExited)
    worker.thread.join(10)
    assert how in failed.message, failed.message
    assert PHASES[place] in failed.message, failed.message
    assert "Restart" in failed.hint
    assert history_of(worker).phase == FAILED
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "dies in the middle of its work, without warning")
@pytest.mark.parametrize("place", PHASES)
@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_that_dies_is_reported(death: str, place: str, scripted_run: ScriptedRun) -> None:
    worker = scripted_run(f"{death}@{place}")
    assert_clear_failure(worker, place, DEATHS[death])
    assert bool(worker.of(DataProgress)) == (place == "data"), "in the middle of drawing them"
    assert bool(worker.of(DataReady)) == (place not in ("import", "data"))


@pytest.mark.fault("workers", "dies while it imports, and while it waits, before any run was requested")
@pytest.mark.parametrize("death", [*DEATHS, "while it waits"])
def test_a_worker_that_dies_before_any_run_is_reported(death: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", f"{death}@import")
    worker = work("scripted")
    worker.start()
    if death not in DEATHS:
        os.kill(worker.wait_for(WorkerReady).pid, signal.SIGKILL)
    failed = worker.wait_for(RunFailed)
    worker.wait_for(WorkerExited)
    worker.thread.join(10)
    assert DEATHS.get(death, "SIGKILL while it waited for a run") in failed.message, failed.message
    assert ("while importing" in failed.message) == (death in DEATHS)
    assert history_of(worker).phase == FAILED
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "SIGSTOP: a worker that publishes nothing more")
@pytest.mark.parametrize("place", PHASES)
def test_a_stopped_worker_is_silent_not_dead(place: str, scripted_run: ScriptedRun) -> None:
    worker = scripted_run(f"stop@{place}")
    pid = worker.wait_for(WorkerSpawned).pid
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    if place == "data":
        worker.wait_for(DataProgress)
    while not worker.inbox.empty():
        worker.inbox.get()
    history = history_of(worker)
    assert (history.phase == LOADING) == (place == "data")
    assert history.silent_seconds(history.last_worker_t + HEARTBEAT_LOST_SECONDS + 1) is not None
    os.kill(pid, signal.SIGCONT)
    assert worker.wait_for(RunFinished).outcome == "completed"
    worker.finish()


@pytest.mark.fault("workers", "out of memory")
@pytest.mark.parametrize("place", ["build", "0", "15", "evaluate", "checkpoint"])
@pytest.mark.linux("prlimit")
def test_out_of_memory_is_named(place: str, work: Work, small_config: TrainConfig, tmp_path: Path) -> None:
    """A worker whose address space is limited, as by `ulimit -v`, survives, and trains once the limit is raised."""
    os.environ["MNIST_TUI_SCRIPT"] = f"devour@{place}"
    worker = work("scripted")
    worker.start()
    pid = worker.wait_for(WorkerReady).pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (2**33, hard))
    worker.start(small_config, run_dir=str(tmp_path))
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "out-of-memory"
    assert "smaller batch size" in failed.hint
    assert "no more than 8.6 GB of memory here (ulimit -v)" in failed.hint
    assert not failed.message.endswith(": ")
    resource.prlimit(pid, resource.RLIMIT_AS, (hard, hard))
    worker.start(dataclasses.replace(small_config, epochs=1), "again")
    assert worker.wait_for(RunFinished, until=lambda e: e.run_id == "again").outcome == "completed"
    worker.finish()


@pytest.mark.framework
@pytest.mark.slow
@pytest.mark.fault("workers", "out of memory, in the framework itself")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
@pytest.mark.linux("prlimit")
def test_a_framework_out_of_memory_is_reported(engine: str, work: Work, small_mnist: Path) -> None:
    worker = work(engine)
    config = from_settings({"epochs": 1, "batch_size": 60, "data_dir": str(small_mnist)})
    worker.start(config)
    worker.wait_for(RunFinished)
    pid = worker.of(WorkerReady)[0].pid
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (used + 2**20, hard))
    worker.start(dataclasses.replace(config, batch_size=640), "too large")
    failed = worker.wait_for(RunFailed)
    assert failed.run_id == "too large"
    assert failed.kind in ("out-of-memory", "crashed"), failed.message
    assert failed.hint


@pytest.mark.fault("workers", "the app may open no more files, at each that a worker's start needs")
def test_too_few_file_descriptors_are_reported(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each start fails with a reason until enough descriptors are free; the test frees one after the other."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = list[int]()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + 20, hard))
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        failures = list[RunFailed]()
        while True:
            worker = work("scripted")
            worker.start(small_config)
            event = worker.wait_for((RunFailed, TrainProgress))
            if not isinstance(event, RunFailed):
                break
            assert isinstance(worker.wait_for(WorkerExited), WorkerExited)
            worker.thread.join(10)
            failures.append(event)
            os.close(opened.pop())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in opened:
            os.close(fd)
    worker.finish()
    assert len(failures) > 8, "two pipes of the app and three of the worker"
    assert {"Too many open files" in failed.message for failed in failures} == {True}


@pytest.mark.fault("workers", "garbage, half a line, and a line of ten million bytes on the protocol")
@pytest.mark.parametrize("place", [place for place in PHASES if place != "data"])
@pytest.mark.parametrize(
    ("script", "warning"),
    [("garbage", "unreadable line"), ("long", "bytes from the worker was dropped|unreadable line")],
)  # on a slow machine, a heartbeat breaks the long line in two
def test_garbage_is_reported_and_training_continues(
    script: str, warning: str, place: str, scripted_run: ScriptedRun
) -> None:
    worker = scripted_run(f"{script}@{place}")
    assert worker.wait_for(RunFinished).outcome == "completed"
    assert any(re.search(warning, line.text) for line in worker.of(LogLine))
    assert all(len(line.text) < 3_000 for line in worker.of(LogLine))
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "half an event, and then the end")
def test_an_end_in_the_middle_of_an_event_is_reported(scripted_run: ScriptedRun) -> None:
    worker = scripted_run("half@15")
    assert_clear_failure(worker, "15", "code 3")
    assert any("in the middle of an event" in line.text for line in worker.of(LogLine))


@pytest.mark.fault("workers", "100,000 events at once, and 200,000 printed lines")
@pytest.mark.parametrize("place", ["import", "build", "5", "checkpoint"])
@pytest.mark.parametrize(("script", "warning"), [("flood", "has to wait"), ("chatter", "more lines dropped")])
def test_a_flood_is_throttled(script: str, warning: str, place: str, scripted_run: ScriptedRun) -> None:
    worker = scripted_run(f"{script}@{place}")
    if script.startswith("chatter"):
        assert worker.wait_for(RunFinished).outcome == "completed"
        worker.finish()
    else:
        worker.wait_for(LogLine, until=lambda line: warning in line.text)
        worker.supervisor.kill()  # the throttled flood would last 45 s
        worker.wait_for(WorkerExited)
    assert any(warning in line.text for line in worker.of(LogLine))
    assert len(worker.events) < 30_000


_FAKES = {
    "broken": (
        "raise ImportError('libcudart.so.12: cannot open shared object file')\n",
        "framework",
        "libcudart.so.12",
    ),
    "leaves": ("raise SystemExit('this CPU lacks AVX')\n", "framework", "this CPU lacks AVX"),
    "aborts": ("import os; os.abort()\n", "crashed", "was ended by SIGABRT while importing"),
}
"""Content of a fake framework, and kind and message of the failure that it causes."""
_OLD = {
    "torch": ("1.13.1", "PyTorch can't start: PyTorch 1.13.1 is installed, but 2.5 or newer is required"),
    "tensorflow": ("2.15.1", "Keras can't start: TensorFlow 2.15.1 is installed, but 2.16 or newer is required"),
    "keras": ("3.3.3", "Keras can't start: Keras 3.3.3 is installed, but 3.12 or newer is required"),
}
"""A version that is too old, and the failure's message."""


@pytest.mark.fault("workers", "a framework that is too old, broken, or ends the process on import")
@pytest.mark.parametrize("module", list(_OLD))
@pytest.mark.parametrize("fake", ["too old", *_FAKES])
def test_a_framework_that_can_not_be_imported_is_reported(
    fake: str, module: str, work: Work, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, too_old = _OLD[module]
    content, kind, message = _FAKES.get(fake, (f"__version__ = '{version}'\n", "framework", too_old))
    (tmp_path / "fake" / module).mkdir(parents=True)
    (tmp_path / "fake" / module / "__init__.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    worker = work("pytorch" if module == "torch" else "keras")
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, message in failed.message) == (kind, True), failed
    assert failed.hint
    worker.finish()
    assert violations(worker.events) == []


def curve(worker: Worked) -> dict[tuple[type[Event], int], tuple[float, float]]:
    """Return loss and accuracy of each step, evaluation and epoch."""
    figures: dict[tuple[type[Event], int], tuple[float, float]] = {
        (type(event), event.global_step): (event.loss, event.accuracy)
        for event in [*worker.of(TrainProgress), *worker.of(EvalCompleted)]
    }
    for event in worker.of(EpochCompleted):
        figures[EpochCompleted, event.epoch] = (event.train_loss, event.train_accuracy)
    return figures


@pytest.mark.fault("workers", "one dies, floods or hangs in mid-training; the other's losses are those of a run alone")
@pytest.mark.parametrize("script", ["kill@15", "crash@15", "abort@15", "exit@15", "flood@15", "stop@15"])
def test_another_worker_is_unaffected(script: str, work: Work, small_config: TrainConfig) -> None:
    """The other worker trains before, during and after the fault; every step is evaluated, and so has its own losses."""
    config = dataclasses.replace(small_config, epochs=10_000, eval_every=1)
    os.environ["MNIST_TUI_SCRIPT"] = "slow"
    worker = work("scripted")
    worker.start(config)
    worker.wait_for(TrainProgress)

    def assert_still_training() -> None:
        """Wait for three steps from now on."""
        now = time.monotonic()
        for _ in range(3):
            worker.wait_for(TrainProgress, until=lambda event: event.t > now)

    os.environ["MNIST_TUI_SCRIPT"] = script
    faulty = work("scripted")
    faulty.start(small_config)
    pid = faulty.wait_for(WorkerSpawned).pid
    if script.startswith("stop"):
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    elif script.startswith("flood"):
        faulty.wait_for(LogLine, until=lambda line: "has to wait" in line.text)
    if not script.startswith(("kill", "crash", "abort", "exit")):
        assert_still_training()
        faulty.supervisor.kill()
    faulty.wait_for(RunFailed)
    faulty.wait_for(WorkerExited)
    assert faulty.of(EpochStarted), "it died in mid-training"
    assert_still_training()
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    reached = worker.of(TrainProgress)[-1].global_step
    worker.finish()

    os.environ["MNIST_TUI_SCRIPT"] = ""
    alone = work("scripted")
    alone.start(config)
    alone.wait_for(TrainProgress, until=lambda event: event.global_step >= reached)
    alone.supervisor.send(Stop())
    alone.wait_for(RunFinished)
    alone.finish()
    expected, actual = curve(alone), curve(worker)
    assert [event.global_step for event in worker.of(TrainProgress)] == list(range(1, reached + 1)), "one for each step"
    assert reached > 10, "at least one epoch is complete"
    assert actual == {place: expected[place] for place in actual}


@pytest.mark.framework
@pytest.mark.fault("workers", "one framework dies in mid-training; the other computes the same as alone")
@pytest.mark.parametrize(("victim", "other"), [("pytorch", "keras"), ("keras", "pytorch")])
def test_another_framework_is_unaffected(
    victim: str, other: str, warm: Callable[[str], Worked], tiny_config: TrainConfig
) -> None:
    config = dataclasses.replace(tiny_config, epochs=6)
    dying = warm(victim)
    dying.start(dataclasses.replace(config, epochs=10_000))
    dying.wait_for(TrainProgress)
    worker = warm(other)
    worker.start(config, "beside")
    worker.wait_for(EpochCompleted)
    os.kill(dying.of(WorkerSpawned)[0].pid, signal.SIGKILL)
    dying.wait_for(RunFailed)
    dying.wait_for(WorkerExited)
    worker.wait_for(RunFinished)
    worker.start(config, "alone")
    worker.wait_for(RunFinished)
    figures = {
        run: [
            (event.train_loss, event.train_accuracy)
            if isinstance(event, EpochCompleted)
            else (event.loss, event.accuracy)
            for event in worker.events
            if event.run_id == run and isinstance(event, (EpochCompleted, EvalCompleted))
        ]
        for run in ("beside", "alone")
    }
    assert len(figures["alone"]) == 2 * config.epochs
    assert figures["beside"] == figures["alone"]
