"""Stopping a run of another process from the command line."""

from __future__ import annotations

import fcntl
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engines.api import list_runs
from tests.support.pilot import script
from tests.support.run_folders import make_run_folder
from tui.cli import main, stop


def test_a_run_in_another_process_finishes_its_step_and_keeps_its_results(
    small_mnist: Path, tmp_path: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = str(tmp_path / "runs")
    command = script("--json", "--epochs", "9999", "--data-dir", str(small_mnist), "--runs-dir", runs)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout
    next(line for line in child.stdout if json.loads(line)["type"] == "EpochCompleted")
    rest = threading.Thread(target=child.stdout.read, daemon=True)  # a full pipe would hold the child up
    rest.start()
    assert main.main(["stop", "--last", "--no-wait", "--runs-dir", runs]) == 0
    rest.join(60)
    assert child.wait(60) == 1  # the epochs that it was to train are not done
    assert main.main(["stop", "--last", "--runs-dir", runs]) == 0
    (run,) = list_runs(Path(runs))
    assert {run["summary"][engine]["outcome"] for engine in ("pytorch", "keras")} == {"stopped"}
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"{run['id']} finishes its step, evaluates, and saves its results.",
        f"{run['id']} has already ended.",
    ]


def test_a_run_without_a_process_and_one_that_does_not_answer_are_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stop, "SUMMARY_SECONDS", 0)
    monkeypatch.setattr(stop, "ANSWER_SECONDS", 0)
    folder = make_run_folder(tmp_path / "runs", "20260101-120000-000Z-seed0-1")
    (folder / "summary.json").unlink()
    words = ["stop", str(folder)]
    assert main.main(words) == 1
    assert f"mnist-tui train --resume {folder}\n" in capsys.readouterr().err
    with open(folder / "events.jsonl", "a", encoding="utf-8") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        assert main.main(words) == 1
    assert "does not answer" in capsys.readouterr().err
    assert not (folder / "stop.request").exists()  # else it would stop later, when nobody expects it


def test_stop_waits_for_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run_folder(tmp_path / "runs", "20260101-120000-000Z-seed0-1")
    summary = (folder / "summary.json").read_text()
    (folder / "summary.json").unlink()
    record = open(folder / "events.jsonl", "a", encoding="utf-8")  # noqa: SIM115
    fcntl.flock(record, fcntl.LOCK_EX)
    waits = []

    def sleep(seconds: float) -> None:
        """Act as the process that trains: first it hears of the request, then it ends."""
        waits.append(seconds)
        if len(waits) == 3:
            (folder / "stop.request").unlink()
        if len(waits) == 6:
            record.close()
        if len(waits) == 8:
            (folder / "summary.json").write_text(summary)

    monkeypatch.setattr(time, "sleep", sleep)
    assert main.main(["stop", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder.name} has stopped."
    assert len(waits) == 8
