"""Workers that die, hang, babble or never come to be, in every phase, and the other engine that does not notice."""

from __future__ import annotations

import contextlib
import dataclasses
import os
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
"""Place of the misdeed, and what the failure says the worker was doing."""
DEATHS = {"kill": "SIGKILL", "crash": "SIGSEGV", "abort": "SIGABRT", "exit": "code 3"}


@pytest.fixture
def misdone(work: Work, small_config: TrainConfig, tmp_path: Path) -> Callable[[str], Worked]:
    """A worker that does what the script says, two short epochs long."""

    def begin(script: str) -> Worked:
        os.environ["MNIST_TUI_SCRIPT"] = script  # taken back by the fixture `home`
        worker = work("scripted")
        (tmp_path / script.replace("@", "-")).mkdir()
        config = small_config
        if script.endswith("@data"):  # there are none yet: drawing them takes seconds
            config = dataclasses.replace(config, dataset="drawn", data_dir="", limit_train=640, limit_test=200)
        worker.start(config, run_dir=str(tmp_path / script.replace("@", "-")))
        return worker

    return begin


def pane(worker: Worked) -> RunHistory:
    """What the engine's pane shows: its events, folded."""
    history = RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    return history


def dies_clearly(worker: Worked, place: str, how: str) -> None:
    """Whether its end is one clear state: what happened, in which phase, and what to do."""
    failed = worker.wait_for(RunFailed)
    worker.wait_for(WorkerExited)
    worker.thread.join(10)
    assert how in failed.message, failed.message
    assert PHASES[place] in failed.message, failed.message
    assert "Restart" in failed.hint
    assert pane(worker).phase == FAILED
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "dies in the midst of its work, without warning")
@pytest.mark.parametrize("place", PHASES)
@pytest.mark.parametrize("death", DEATHS)
def test_a_death_is_a_clear_state(death: str, place: str, misdone: Callable[[str], Worked]) -> None:
    worker = misdone(f"{death}@{place}")
    dies_clearly(worker, place, DEATHS[death])
    assert bool(worker.of(DataProgress)) == (place == "data"), "in the midst of it"
    assert bool(worker.of(DataReady)) == (place not in ("import", "data"))


@pytest.mark.fault("workers", "dies while it is imported, and while it waits, before any run was asked for")
@pytest.mark.parametrize("death", [*DEATHS, "while it waits"])
def test_a_death_that_nobody_waits_for(death: str, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert pane(worker).phase == FAILED
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "SIGSTOP: a worker that says nothing more")
@pytest.mark.parametrize("place", PHASES)
def test_a_stopped_worker_is_silent_not_dead(place: str, misdone: Callable[[str], Worked]) -> None:
    worker = misdone(f"stop@{place}")
    pid = worker.wait_for(WorkerSpawned).pid
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    if place == "data":
        worker.wait_for(DataProgress)
    while not worker.inbox.empty():
        worker.inbox.get()
    history = pane(worker)
    assert (history.phase == LOADING) == (place == "data")
    assert history.silent_seconds(history.last_worker_t + HEARTBEAT_LOST_SECONDS + 1) is not None
    os.kill(pid, signal.SIGCONT)  # slow is not dead: it goes on
    assert worker.wait_for(RunFinished).outcome == "completed"
    worker.finish()


@pytest.mark.fault("workers", "out of memory")
@pytest.mark.parametrize("place", ["build", "0", "15", "evaluate", "checkpoint"])
def test_out_of_memory_is_named(place: str, work: Work, small_config: TrainConfig, tmp_path: Path) -> None:
    """A limited address space, as `ulimit -v`; the worker itself survives, and trains once it has room."""
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
    resource.prlimit(pid, resource.RLIMIT_AS, (hard, hard))
    worker.start(dataclasses.replace(small_config, epochs=1), "again")
    assert worker.wait_for(RunFinished, until=lambda e: e.run_id == "again").outcome == "completed"
    worker.finish()


@pytest.mark.framework
@pytest.mark.slow
@pytest.mark.fault("workers", "out of memory, in the framework itself")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_a_framework_out_of_memory(engine: str, work: Work, small_mnist: Path) -> None:
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
def test_no_descriptor_is_left(work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With none left, with one, ... until there are enough: each is a failed run that says why."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = list[int]()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        failures = list[RunFailed]()
        while True:
            worker = work("scripted")
            worker.start(small_config)
            told = worker.wait_for((RunFailed, TrainProgress))
            if not isinstance(told, RunFailed):
                break
            assert isinstance(worker.wait_for(WorkerExited), WorkerExited)
            worker.thread.join(10)
            failures.append(told)
            os.close(taken.pop())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)
    worker.finish()
    assert len(failures) > 8, "two pipes of ours, three of the worker's"
    assert {"Too many open files" in failed.message for failed in failures} == {True}


@pytest.mark.fault("workers", "garbage, half a line, and a line of ten million bytes on the protocol")
@pytest.mark.parametrize("place", [place for place in PHASES if place != "data"])
@pytest.mark.parametrize(
    ("script", "said"),
    [("garbage", "unreadable line"), ("long", "bytes from the worker was dropped")],
)
def test_babble_is_noted_and_training_goes_on(
    script: str, said: str, place: str, misdone: Callable[[str], Worked]
) -> None:
    worker = misdone(f"{script}@{place}")
    assert worker.wait_for(RunFinished).outcome == "completed"
    assert any(said in line.text for line in worker.of(LogLine))
    assert all(len(line.text) < 3_000 for line in worker.of(LogLine))
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.fault("workers", "half an event, and then the end")
def test_half_an_event(misdone: Callable[[str], Worked]) -> None:
    worker = misdone("half@15")
    dies_clearly(worker, "15", "code 3")
    assert any("in the middle of an event" in line.text for line in worker.of(LogLine))


@pytest.mark.fault("workers", "100,000 events at once, and 200,000 printed lines")
@pytest.mark.parametrize("place", ["import", "build", "5", "checkpoint"])
@pytest.mark.parametrize(("script", "said"), [("flood", "has to wait"), ("chatter", "more lines not kept")])
def test_a_flood_is_held_back(script: str, said: str, place: str, misdone: Callable[[str], Worked]) -> None:
    worker = misdone(f"{script}@{place}")
    if script.startswith("chatter"):
        assert worker.wait_for(RunFinished).outcome == "completed"
        worker.finish()
    else:
        worker.wait_for(LogLine, until=lambda line: said in line.text)
        worker.supervisor.kill()  # some 45 s long, at the pace that it is allowed
        worker.wait_for(WorkerExited)
    assert any(said in line.text for line in worker.of(LogLine))
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
"""What a fake framework does when it is imported; kind and message of the failure."""
_OLD = {
    "torch": ("1.13.1", "PyTorch can't start: PyTorch 1.13.1 was found, and 2.5 or newer is needed"),
    "tensorflow": ("2.15.1", "Keras can't start: TensorFlow 2.15.1 was found, and 2.16 or newer is needed"),
    "keras": ("3.3.3", "Keras can't start: Keras 3.3.3 was found, and 3.12 or newer is needed"),
}
"""A version that is too old, and what is said of it."""


@pytest.mark.fault("workers", "a framework that is of the wrong version, broken, or ends the process on import")
@pytest.mark.parametrize("module", list(_OLD))
@pytest.mark.parametrize("fake", ["too old", *_FAKES])
def test_a_fake_framework_that_does_not_import(
    fake: str, module: str, work: Work, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, too_old = _OLD[module]
    content, kind, said = _FAKES.get(fake, (f"__version__ = '{version}'\n", "framework", too_old))
    (tmp_path / "fake" / module).mkdir(parents=True)
    (tmp_path / "fake" / module / "__init__.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    worker = work("pytorch" if module == "torch" else "keras")
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, said in failed.message) == (kind, True), failed
    assert failed.hint
    worker.finish()
    assert violations(worker.events) == []


def curve(worker: Worked) -> dict[tuple[type[Event], int], tuple[float, float]]:
    """Loss and accuracy of each step, evaluation and epoch."""
    told: dict[tuple[type[Event], int], tuple[float, float]] = {
        (type(event), event.global_step): (event.loss, event.accuracy)
        for event in [*worker.of(TrainProgress), *worker.of(EvalCompleted)]
    }
    for event in worker.of(EpochCompleted):
        told[EpochCompleted, event.epoch] = (event.train_loss, event.train_accuracy)
    return told


@pytest.mark.fault("workers", "one dies, floods or hangs in mid-training; the other's losses are those of a run alone")
@pytest.mark.parametrize("script", ["kill@15", "crash@15", "abort@15", "exit@15", "flood@15", "stop@15"])
def test_the_other_does_not_notice(script: str, work: Work, small_config: TrainConfig) -> None:
    """It trains before, while and after that happens; every step is evaluated, so that each has a loss of its own."""
    config = dataclasses.replace(small_config, epochs=10_000, eval_every=1)
    os.environ["MNIST_TUI_SCRIPT"] = "slow"
    worker = work("scripted")
    worker.start(config)
    worker.wait_for(TrainProgress)

    def trains() -> None:
        """It makes steps from now on."""
        now = time.monotonic()
        for _ in range(3):
            worker.wait_for(TrainProgress, until=lambda event: event.t > now)

    os.environ["MNIST_TUI_SCRIPT"] = script
    beside = work("scripted")
    beside.start(small_config)
    pid = beside.wait_for(WorkerSpawned).pid
    if script.startswith("stop"):
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    elif script.startswith("flood"):
        beside.wait_for(LogLine, until=lambda line: "has to wait" in line.text)
    if not script.startswith(("kill", "crash", "abort", "exit")):
        trains()
        beside.supervisor.kill()
    beside.wait_for(RunFailed)
    beside.wait_for(WorkerExited)
    assert beside.of(EpochStarted), "it died in mid-training"
    trains()
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
    expected, found = curve(alone), curve(worker)
    assert [event.global_step for event in worker.of(TrainProgress)] == list(range(1, reached + 1)), "each has its own"
    assert reached > 10, "an epoch is among them"
    assert found == {place: expected[place] for place in found}


@pytest.mark.framework
@pytest.mark.fault("workers", "one framework dies in mid-training; what the other computes is what it computes alone")
@pytest.mark.parametrize(("victim", "other"), [("pytorch", "keras"), ("keras", "pytorch")])
def test_the_other_framework_does_not_notice(
    victim: str, other: str, work: Work, warm: Callable[[str], Worked], small_config: TrainConfig
) -> None:
    config = dataclasses.replace(small_config, epochs=4)
    dying = work(victim)
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
    told = {
        run: [
            (event.train_loss, event.train_accuracy)
            if isinstance(event, EpochCompleted)
            else (event.loss, event.accuracy)
            for event in worker.events
            if event.run_id == run and isinstance(event, (EpochCompleted, EvalCompleted))
        ]
        for run in ("beside", "alone")
    }
    assert len(told["alone"]) == 2 * config.epochs
    assert told["beside"] == told["alone"]
