"""The table of `mnist-tui bench scaling`, its options, and its end by ctrl+c."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.api import ScalingRow
from tests.support.engines import scripted_spec
from tests.support.terminal import ROOT
from tui.bench import scaling
from tui.bench.scaling import table_line
from tui.cli import arguments, main

ROW = ScalingRow(
    engine="pytorch", devices=("cuda:0", "cuda:1"), batch_size=128, images_per_second=(12_000.0, 10_000.4, 9_000.0), speedup=1.234,
    efficiency_percent=61.7, joules_per_epoch=1_234.5, joules_reason="", problem="",
)  # fmt: skip
FAILED = replace(
    ROW, images_per_second=(), speedup=None, efficiency_percent=None, joules_per_epoch=None, problem="It \x1b[2Jended."
)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (ROW, "| pytorch | cuda:0,cuda:1 | 10,000 | 9,000 to 12,000 | 1.23 | 62 % | 1,234 |"),
        (
            replace(ROW, devices=("cpu",), speedup=None, efficiency_percent=None, joules_per_epoch=None, joules_reason="unknown"),
            "| pytorch | cpu | 10,000 | 9,000 to 12,000 | n/a | n/a | n/a: unknown |",
        ),
        (FAILED, "| pytorch | cuda:0,cuda:1 | n/a: It \x1b[2Jended. |  |  |  |  |"),
    ],
)  # fmt: skip
def test_a_line_of_the_table(row: ScalingRow, line: str) -> None:
    assert table_line(row) == line
    assert line.count("|") == scaling.HEAD.splitlines()[0].count("|")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return the arguments of each measurement; it gives two rows, the second of which failed."""
    calls: list[tuple[Any, ...]] = []

    def measure_scaling(*words: Any) -> Iterator[ScalingRow]:
        calls.append(words[:5])
        words[5]("PyTorch on cuda:0, 1 of 2")
        yield replace(ROW, devices=("cuda:0",))
        yield FAILED

    monkeypatch.setattr(scaling, "measure_scaling", measure_scaling)
    monkeypatch.setattr(arguments, "specs", lambda _: ["spec"])
    return calls


def test_the_table_has_a_failed_row_and_says_what_the_figures_mean(
    calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["bench", "scaling", "--device", "all", "--batch-size", "512", "--repeats", "2"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.startswith("|") for line in lines[:5]] == [True, True, True, True, False]
    assert "\x1b" not in out
    assert "n/a: It" in lines[3]
    assert "Every step trains one batch of 128 digits" in out
    assert err == "PyTorch on cuda:0, 1 of 2\n"
    ((specs, device, batch_size, repeats, place),) = calls
    assert (specs, device, batch_size, repeats, place.data_dir) == (["spec"], "all", 512, 2, "")


def test_json_has_every_row(calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "scaling", "--device", "cpu,cpu", "--json"]) == 1
    one, two = json.loads(capsys.readouterr().out)
    assert (one["devices"], one["images_per_second"]) == (["cuda:0"], [12_000.0, 10_000.4, 9_000.0])
    assert (two["problem"], two["speedup"]) == ("It \x1b[2Jended.", None)
    assert calls[0][2] == 128, "the reference's batch"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["scaling"], "`bench scaling` needs several devices: --device all, cuda:0,cuda:1 and so on, or cpu,cpu."),
        (["scaling", "--device", "cuda:0"], "needs several devices"),
        (["scaling", "--device", "auto"], "needs several devices"),
        (["scaling", "engines", "--device", "cpu,cpu"], "name no other bench beside it"),
        (["engines", "--device", "cpu,cpu"], "--device must be cpu or cuda:N"),
        (["scaling", "--device", "cpu,cuda:0"], "the CPU and GPUs can't be mixed"),
        (["scaling", "--device", "cpu,cpu", "--batch-size", "0"], "must be at least 1"),
        (["scale"], "Known: charts, startup, workers, ui, engines, growth, scaling."),
    ],
)
def test_what_can_not_be_measured_is_refused(
    words: list[str], text: str, calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["bench", *words]) == 2
    assert text in capsys.readouterr().err
    assert calls == []


@pytest.mark.fault("workers", "bench scaling: ctrl+c in mid-run leaves no process and no traceback")
def test_ctrl_c_leaves_no_process(small_mnist: Path) -> None:
    command = [sys.executable, "-m", "tests.programs.scripted_module", "-m", "tui", "bench", "scaling"]
    command += ["--device", "cpu,cpu", "--data-dir", str(small_mnist), "--framework", "pytorch", "--repeats", "999"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MNIST_TUI_SCRIPT": "hang@2"}
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stderr
    try:
        assert child.stderr.readline() == "pytorch on cpu, 1 of 999\n"
        workers = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert (child.returncode, err) == (130, "")
    assert "Traceback" not in out
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_a_worker_that_dies_is_a_row(
    small_mnist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real process, killed at its third step on one device; on several, the scripted engine can't train at all."""
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec()])
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "kill@2")
    words = ["bench", "scaling", "--device", "cpu,cpu", "--data-dir", str(small_mnist), "--repeats", "1"]
    assert main.main(words) == 1
    one, two = capsys.readouterr().out.splitlines()[2:4]
    assert one.startswith("| pytorch | cpu | n/a: ")
    assert "SIGKILL" in one
    assert "Restart" not in one
    assert two.startswith("| pytorch | cpu,cpu | n/a: ")
