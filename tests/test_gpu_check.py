"""Tests of the GPU check on machines without a GPU: its verdicts, and its table as it is printed."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engines.config import TrainConfig
from engines.messages.events import DataReady, EpochCompleted, EvalCompleted, Event, RunFinished
from engines.monitors.gpu import GpuMonitor
from tests.gpu_check import checks, verdicts
from tests.gpu_check.__main__ import spec_of
from tests.gpu_check.checks import REQUIRED, EngineChecks, MachineChecks
from tests.gpu_check.table import Failed, Row, Skipped, run_checks
from tests.programs.gpu_check_with_fake_gpu import fake_gpu_spec
from tests.support.engines import Worked
from tests.support.fake_nvml import FakeNvml
from tests.support.run_events import life

ROOT = Path(__file__).parents[1]


def changed(kind: type[Event], **fields: Any) -> list[Event]:
    """Return the events of a run, with these fields in all events of that kind."""
    return [dataclasses.replace(event, **fields) if isinstance(event, kind) else event for event in life()]


def test_a_run_of_fewer_epochs_has_a_time_and_a_rate() -> None:
    assert verdicts.training_time(life()) == "2 epochs in 8.00 s, median 8 images/s"
    with pytest.raises(Failed, match="too short"):
        verdicts.training_time(changed(EpochCompleted, samples_per_sec=None))
    with pytest.raises(Failed, match="no EpochCompleted"):
        verdicts.training_time([])


def test_a_low_accuracy_fails_by_the_bar_of_its_digits() -> None:
    bar = verdicts.Bar(mnist=98.5, other=80.0)
    assert verdicts.accuracy(changed(EvalCompleted, accuracy=0.985), bar) == "98.50 % on mnist digits"
    with pytest.raises(Failed, match=r"98\.40 % on mnist digits, less than 98\.5 %"):
        verdicts.accuracy(changed(EvalCompleted, accuracy=0.984), bar)
    assert verdicts.accuracy(changed(DataReady, dataset="drawn"), bar) == "97.50 % on drawn digits"


def test_two_runs_are_identical_or_their_difference_is_stated() -> None:
    assert verdicts.repeat(life(), life()) == "bit-identical"
    assert verdicts.repeat(life(), changed(EvalCompleted, loss=0.1001)) == "difference 1.0e-04"
    for loss in (0.2, float("nan")):
        with pytest.raises(Failed, match="differ by"):
            verdicts.repeat(life(), changed(EvalCompleted, loss=loss))


def test_a_script_that_is_faster_than_the_engine_fails() -> None:
    assert verdicts.speed(1.0, 10.0) == "1.00 s by 10.00 s, ratio 0.100"
    with pytest.raises(Failed, match="slower"):
        verdicts.speed(2.0, 1.0)


def raising(error: Exception) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check


def test_every_check_has_a_row_with_its_result() -> None:
    rows: list[Row] = []
    some = {
        "a": lambda: "1 s",
        "b": raising(Failed("slow")),
        "c": raising(ValueError("x")),
        "d": raising(Skipped("none")),
    }
    run_checks("keras", some, (), rows.append)
    results = [(row.check, row.result, row.text) for row in rows]
    assert results == [
        ("a", "passed", "1 s"), ("b", "FAILED", "slow"), ("c", "FAILED", "ValueError: x"), ("d", "skipped", "none"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "reason"), [(Skipped("no GPU"), "no GPU"), (Failed("x"), "the check 'import' failed")]
)
def test_without_a_required_check_the_others_are_skipped_by_name(error: Exception, reason: str) -> None:
    rows: list[Row] = []
    run_checks("keras", {"import": raising(error), "bf16": lambda: "1 s"}, REQUIRED, rows.append)
    assert (rows[1].check, rows[1].result, rows[1].text) == ("bf16", "skipped", reason)


def start(program: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program in this repository without a GPU, as a clone is used that is not installed."""
    return subprocess.Popen(
        [sys.executable, "-m", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.mark.framework
def test_without_a_gpu_and_the_apps_packages_every_gpu_row_is_skipped_by_name(tmp_path: Path) -> None:
    process = start("tests.programs.gpu_check_without_packages", "pytorch")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    lines = [line for line in output.splitlines() if line.startswith("|")]
    assert len({line.rindex("|") for line in lines}) == 1  # aligned
    head, _, *rows = map(cells, lines)
    assert head == ["engine", "check", "result", "seconds", "figure or reason"]
    machine = MachineChecks(tmp_path).checks()
    assert [row[:3] for row in rows[: len(machine)]] == [["machine", name, "skipped"] for name in machine]
    first, *others = rows[len(machine) :]
    assert first[:3] == ["pytorch", "import", "passed"]
    names = list(EngineChecks(spec_of("pytorch"), MachineChecks(tmp_path)).checks())
    assert [(row[1], row[2]) for row in others] == [(name, "skipped") for name in names[1:]]
    assert all(row[4] for row in others)


def rows_until(process: subprocess.Popen[str], check: str) -> Iterator[list[str]]:
    assert process.stdout
    for line in process.stdout:
        yield cells(line)
        if check in line:
            return


def test_on_a_fake_gpu_the_checks_pass_or_fail(small_mnist: Path) -> None:
    process = start("tests.programs.gpu_check_with_fake_gpu", MNIST_TUI_SCRIPT="slow", MNIST_TUI_DATA=str(small_mnist))
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (1, "")
    rows = {row[1]: (row[2], row[4]) for row in map(cells, output.splitlines()) if len(row) == 5}
    assert rows["device"] == ("passed", "cuda:0 fake GPU")
    assert rows["training, 3 epochs"][0] == "passed"
    assert rows["test accuracy after its first epoch"][0] == "FAILED"
    assert rows["the same seed twice, 6 steps"] == ("passed", "bit-identical")
    assert rows["checkpoint and resume, 6 steps"] == ("passed", "resumed at step 3, bit-identical")
    assert rows["prediction in mid-run"][0] == "passed"
    assert rows["memory of the framework's allocator"] == ("passed", "4 MB")
    assert rows["order of events"][0] == "passed"


def test_a_row_is_printed_when_it_comes_and_an_interruption_leaves_no_process(small_mnist: Path) -> None:
    process = start(
        "tests.programs.gpu_check_with_fake_gpu", MNIST_TUI_SCRIPT="hang@3", MNIST_TUI_DATA=str(small_mnist)
    )
    printed = list(rows_until(process, "| device"))  # while the next check hangs
    assert printed[-1][2] == "passed"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    missing = [row for row in map(cells, output.splitlines()) if row]
    assert (missing[0][1], missing[-1][1]) == ("training, 3 epochs", "order of events")
    assert {row[2] for row in missing} == {"missing"}
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_failed_run_does_not_fail_the_checks_after_it(small_mnist: Path) -> None:
    process = start(
        "tests.programs.gpu_check_with_fake_gpu", MNIST_TUI_SCRIPT="crash@12", MNIST_TUI_DATA=str(small_mnist)
    )
    output, _ = process.communicate(timeout=120)
    rows = {row[1]: (row[2], row[4]) for row in map(cells, output.splitlines()) if len(row) == 5}
    assert rows["training, 3 epochs"][0] == "FAILED"
    assert "SIGSEGV" in rows["training, 3 epochs"][1]
    assert rows["first step"] == ("skipped", "the training that it judges failed")
    assert rows["first loss, cpu against cuda"][0] == "passed"


def test_the_drivers_figures_are_those_of_the_workers_process(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_DATA", str(small_mnist))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    machine = MachineChecks(tmp_path)
    with EngineChecks(fake_gpu_spec(), machine) as engine:
        engine.device()
        pid = engine._running_worker().supervisor.pid
        for number, size in ((pid, 10**9), (0, 10**9), (pid, 0)):
            process = SimpleNamespace(pid=number, usedGpuMemory=size)
            fake = FakeNvml(nvmlDeviceGetComputeRunningProcesses=[process], nvmlDeviceGetProcessUtilization=[])
            machine.monitor = GpuMonitor(fake)
            if number == 0:
                with pytest.raises(Skipped, match="not among the driver's 1 processes"):
                    engine.worker_figures()
            elif size:
                assert engine.worker_figures().startswith("1,000 MB, at most 0 % busy")
            else:
                with pytest.raises(Failed, match="without memory"):
                    engine.worker_figures()


def test_the_machines_rows_name_links_processes_and_free_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MachineChecks(tmp_path)
    no_link = SimpleNamespace(nvmlReturn=3)
    process = SimpleNamespace(pid=os.getpid(), usedGpuMemory=10**9)
    machine.monitor = GpuMonitor(
        FakeNvml(
            nvmlDeviceGetPcieThroughput=21,
            nvmlDeviceGetFieldValues=[no_link],
            nvmlDeviceGetComputeRunningProcesses=[process],
        )
    )
    text = machine.wall_figures()
    assert text.startswith("GPU 0 PCIe 42,000 bytes/s, 1 holder; no nvlink_in: ")
    assert not machine.monitor.with_details
    for free, shown in ((["cuda:0"], "cuda:0 of 1"), ([], "none of 1")):
        monkeypatch.setattr(checks, "free_gpus", lambda found=free: found)
        assert machine.free_gpus() == shown
    monkeypatch.setattr(checks, "free_gpus", lambda: None)
    with pytest.raises(Failed, match="lists no GPU"):
        machine.free_gpus()


def test_two_runs_train_at_once_and_a_failure_of_the_second_leaves_the_first_worker(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_DATA", str(small_mnist))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with EngineChecks(fake_gpu_spec(), MachineChecks(tmp_path)) as engine:
        engine.device()
        with pytest.raises(Skipped, match="one GPU"):
            engine.two_jobs()
        engine._gpus *= 2
        assert engine.two_jobs() == "bit-identical"
        first = engine._running_worker()
        other = engine._start(fake_gpu_spec())
        other.close()
        with pytest.raises(Failed, match="the worker"):
            engine._train(other, epochs=1)
        assert engine._running_worker() is first


@pytest.mark.framework
def test_the_contiguous_engine_trains_as_the_other(
    warm: Callable[[str], Worked], small_config: TrainConfig, tmp_path: Path
) -> None:
    other = Worked(dataclasses.replace(spec_of("pytorch"), module=str(checks._CONTIGUOUS_ENGINE)), tmp_path)
    config = dataclasses.replace(small_config, epochs=1, limit_train=320, dropout=0.0, device="cpu")
    runs: list[Sequence[Event]] = []
    for worker in (warm("pytorch"), other):
        worker.start(config)
        worker.wait_for(RunFinished)
        runs.append(worker.events)
    other.finish()
    verdicts.epoch_losses(*runs)
