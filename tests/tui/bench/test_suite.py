"""Every bench is run once in its smallest form, with scripted workers where no framework is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.api import Measurement
from tests.support.digits import random_digits, write_idx
from tests.support.engines import scripted_spec
from tests.support.terminal import ROOT
from tui.bench import app as app_bench, suite
from tui.cli import arguments, main


def bench(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run `mnist-tui bench` with one repeat; return its rows by name."""
    assert main.main(["bench", *words, "--repeats", "1", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert all(min(row["ratios"]) > 0 for row in rows.values()), rows
    return rows


def test_a_worker_and_its_second_run_are_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_mnist: Path
) -> None:
    """The worker is a scripted one, and the program that it is compared with imports PyTorch."""
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch")])
    rows = bench(capsys, "workers", "--data-dir", str(small_mnist))
    assert list(rows) == ["pytorch worker ready", "pytorch, second run in a warm worker"]
    assert rows["pytorch, second run in a warm worker"]["median"] < 5, "it does not start a worker"
    assert len(rows["pytorch, second run in a warm worker"]["ratios"]) == 1, "the warm-up does not count"


def test_the_app_is_measured_while_both_train(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The app and the headless run train with scripted engines, 20 ms a step, for longer than they are measured."""
    images, labels = random_digits(20_000)
    for part in ("train", "t10k"):
        count = 20_000 if part == "train" else 100
        write_idx(tmp_path / "digits", images[:count], labels[:count], part, zipped=False)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.programs.scripted_module "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    monkeypatch.setattr(app_bench, "WARM_UP_SECONDS", 0.5)
    measure_app = app_bench.measure_app
    monkeypatch.setattr(app_bench, "measure_app", lambda repeats, _, data_dir: measure_app(repeats, 1.5, data_dir))
    rows = bench(capsys, "ui", "--data-dir", str(tmp_path / "digits"))
    assert list(rows) == [
        "event-loop lag, p99",
        "event-loop lag, highest",
        "UI processor time",
        "UI memory, peak",
        "to the terminal",
        "to the terminal, --slow",
        "training in the app",
    ]
    assert rows["event-loop lag, p99"]["median"] <= rows["event-loop lag, highest"]["median"]
    assert 20 < rows["UI memory, peak"]["median"] < 200, "megabytes of the app alone"


def test_each_bench_gets_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    calls: dict[str, tuple[Any, ...]] = {}

    def fake(name: str) -> Any:
        def measure(*arguments: Any) -> list[Measurement]:
            calls[name] = arguments
            return [Measurement(name, "", (1.0,), "")]

        return measure

    monkeypatch.setattr(arguments, "specs", lambda _: ["spec"])
    for name in ("measure_engines", "measure_growth"):
        monkeypatch.setattr(suite, name, fake(name))
    assert list(bench(capsys, "engines", "growth", "--data-dir", "d", "--device", "cuda:1")) == [*calls]
    specs, repeats, place = calls["measure_engines"]
    folder = str(tmp_path / "d")
    assert (specs, repeats, place.data_dir, place.device) == (["spec"], 1, folder, "cuda:1")
    specs, repeats, _, data_dir = calls["measure_growth"]
    assert (specs, repeats, data_dir) == (["spec"], 1, folder)
