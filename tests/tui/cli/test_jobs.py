"""Training several seeds at once: output, order, exit codes, signals, and the same weights as in turns."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import psutil
import pytest

from engines.api import FanOut, RunRequest, engine_spec, list_runs, read_events
from engines.messages.events import RunFinished, RunRequested, WorkerSpawned
from engines.runs.stored_seeds import read_seed_results
from engines.session import schedule
from tests.support.engines import scripted_spec
from tests.support.pilot import script
from tests.support.terminal import wait_without_reading
from tui.cli import main, train
from tui.cli.train import train as train_runs


def worker_pids(runs: Path) -> list[int]:
    """Return the process ids of all workers of these runs."""
    events = [event for record in runs.glob("*/events.jsonl") for event in read_events(record)]
    return sorted({event.pid for event in events if isinstance(event, WorkerSpawned)})


def assert_gone(pids: list[int]) -> None:
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def wait_for(runs: Path, text: str, count: int) -> None:
    """Wait until the records of so many runs hold the text."""

    def found() -> bool:
        return sum(text in record.read_text(encoding="utf-8") for record in runs.glob("*/events.jsonl")) >= count

    wait_without_reading(found)


def spans(runs: Path) -> dict[int, tuple[float, float]]:
    """Return (start, end) of the runs of each seed."""
    out = {}
    for folder in runs.iterdir():
        events = [*read_events(folder / "events.jsonl")]
        requested = [event for event in events if isinstance(event, RunRequested)]
        ended = [event.t for event in events if isinstance(event, RunFinished)]
        out[requested[0].config.seed] = min(event.t for event in requested), max(ended)
    return out


def test_seeds_train_side_by_side_and_end_as_one_series_in_their_order(
    scripted: None,
    small_mnist: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.0)
    runs = tmp_path / "runs"
    words = ["--seeds", "4", "--seed", "8", "--mode", "time-trial", "--epochs", "2", "--device", "cpu"]
    command = ["train", *words, "--data-dir", str(small_mnist), "--runs-dir", str(runs)]
    assert main.main([*command, "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    progress = [line for line in lines if re.match(r"(pytorch|keras) ", line)]
    assert all(re.match(r"(pytorch|keras) +seed (8|9|10|11) on cpu  ", line) for line in progress)
    assert sum(line.startswith("seed 10 on cpu: ") for line in lines) == 2
    at = spans(runs)
    assert at[9][0] < at[8][1], "at once"
    assert min(at[8][1], at[9][1]) < at[10][0] <= at[11][0], "the next seed starts when a run has ended"
    (folder, *_) = sorted(runs.iterdir())
    results = read_seed_results(folder)
    assert results is not None
    assert [*results.runs] == [8, 9, 10, 11]
    assert [result.seed for result in results.results["keras"]] == [8, 9, 10, 11]
    caveat = "2 runs at once, shared CPU: times not comparable"
    assert results.time_caveat == caveat
    assert lines[-5] == f"Times: {caveat}. Without --jobs, each has the machine to itself."
    # in turns: the same summary, but that the times are comparable
    assert main.main([*command, "--runs-dir", str(tmp_path / "turns")]) == 0
    in_turns = capsys.readouterr().out.splitlines()
    summaries = [[re.sub(r", training .*", "", line) for line in its] for its in (lines, in_turns)]
    assert summaries[0][-4:] == summaries[1][summaries[1].index(summaries[0][-4]) :][:4]
    assert not any("not comparable" in line for line in in_turns)
    assert_gone(worker_pids(runs))


def test_a_run_that_fails_ends_no_other_and_is_exit_code_1(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker crashes at its fifth step, and every seed is tried."""
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.0)
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "crash@5")
    request = RunRequest(
        settings={"epochs": 1, "batch_size": 64, "seeds": 3, "data_dir": str(small_mnist), "device": "cpu"}
    )
    assert train_runs([scripted_spec()], request, str(tmp_path), json_lines=False, bars=True, jobs=2) == 1
    out = capsys.readouterr().out
    for seed in range(3):
        assert f"seed {seed} on cpu: Scripted 1.0: failed" in out
    assert len([*list_runs(tmp_path)]) == 3


@pytest.mark.fault("app", "headless, several seeds at once: ctrl+c ends all their workers")
def test_ctrl_c_stops_all_runs_and_leaves_no_process(
    small_mnist: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    words = ["--plain", "--seeds", "4", "--jobs", "2", "--epochs", "9999", "--device", "cpu"]
    command = script(*words, "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path / "runs"))
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    wait_for(tmp_path / "runs", '"EpochCompleted"', 2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "mnist-tui: stopping; the workers save a checkpoint first.\n")
    for seed in (0, 1):
        assert re.search(rf"^seed {seed}: Scripted 1\.0: interrupted .*--resume .*seed{seed}-", out, re.MULTILINE)
    assert len([*list_runs(tmp_path / "runs")]) == 2
    pids = worker_pids(tmp_path / "runs")
    assert len(pids) == 4
    assert_gone(pids)


def test_a_detached_series_is_stopped_by_one_of_its_runs(
    small_mnist: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    runs = tmp_path / "runs"
    words = ["--detach", "--seeds", "4", "--jobs", "2", "--epochs", "9999", "--device", "cpu"]
    command = script(*words, "--data-dir", str(small_mnist), "--runs-dir", str(runs))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    wait_for(runs, '"EpochCompleted"', 2)
    first, second = sorted(path.name for path in runs.iterdir() if path.is_dir())
    assert f"mnist-tui stop {first}" in done.stdout
    assert main.main(["stop", second, "--runs-dir", str(runs)]) == 0
    pid = int(re.findall(r"process (\d+)", done.stdout)[0])
    wait_without_reading(lambda: not psutil.pid_exists(pid))
    stopped = {run["summary"][engine]["outcome"] for run in list_runs(runs) for engine in ("pytorch", "keras")}
    assert (stopped, len([*list_runs(runs)])) == ({"stopped"}, 2)


def test_a_start_in_the_background_is_over_when_every_job_has_begun_or_failed() -> None:
    def session(**run: object) -> SimpleNamespace:
        history = SimpleNamespace(**{"engine": "pytorch", "started": None, "ended_t": None, **run})
        return SimpleNamespace(engines=("pytorch",), histories={"pytorch": history}, waiting_for=lambda _: "")

    waiting, failed, begun = session(), session(ended_t=1.0), session(started=True)
    for sessions, first in (([begun, waiting], None), ([failed, begun], begun), ([failed, failed], None)):
        runs = SimpleNamespace(sessions=sessions, by_seed=sessions)
        found: object = train._first_begun(cast("FanOut", runs))
        assert found is first


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--seeds", "2", "--jobs", "2", "--json"], "each run's folder has its events"),
        (["--jobs", "auto", "--resume", "demo"], "--resume continues one run."),
        (["--jobs", "2"], "--seeds N"),
        (["--jobs", "auto"], "--seeds N"),
        (["--seeds", "2", "--jobs", "0"], "'0' must be at least 1, or auto"),
        (["--seeds", "2", "--jobs", "some"], "'some'"),
        (["--seeds", "2", "--jobs", "2", "--device", "cuda:1"], "cuda:1 would hold 2 runs at once."),
        (["--seeds", "9", "--jobs", "3"], "2 GPUs of this machine are free (cuda:0, cuda:2)."),
    ],
)
def test_jobs_that_can_not_be_are_refused_plainly(
    words: list[str],
    complaint: str,
    scripted: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train, "free_gpus", lambda: ["cuda:0", "cuda:2"])
    try:
        code = main.main(["train", *words])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.framework
def test_four_seeds_over_two_jobs_train_the_same_weights_bit_for_bit_as_in_turns(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.0)
    monkeypatch.setattr(train, "DRAIN_SECONDS", 0.02)
    settings = {"device": "cpu", "epochs": 1, "batch_size": 16, "limit_train": 64, "limit_test": 20, "seeds": 4}
    request = RunRequest(settings={**settings, "data_dir": str(small_mnist)})
    for jobs in (1, 2):
        folder = str(tmp_path / str(jobs))
        assert train_runs([engine_spec("pytorch")], request, folder, json_lines=False, bars=False, jobs=jobs) == 0
    assert len(worker_pids(tmp_path / "2")) == 2
    assert_gone(worker_pids(tmp_path / "2"))
    for seed in range(4):
        weights = []
        for jobs in (1, 2):
            (file,) = (tmp_path / str(jobs)).glob(f"*-seed{seed}-*/pytorch.npz")
            with np.load(file, allow_pickle=False) as saved:
                weights.append(
                    {
                        name: hashlib.sha256(saved[name].tobytes()).hexdigest()
                        for name in saved.files
                        if name.startswith("weights.")
                    }
                )
        assert len(weights[0]) == 8
        assert weights[0] == weights[1]
