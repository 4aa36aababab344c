"""Races and time trials over several seeds: the order of the runs, and their results."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.events import (
    DataReady,
    Device,
    Event,
    RunFinished,
    RunRequested,
    RunStarted,
    WorkerExited,
    WorkerReady,
)
from engines.run_request import RunRequest
from engines.runs.history import RunHistory
from engines.runs.reader import read_events
from engines.session import schedule
from engines.session.rounds import rounds_of
from tests.support.engines import scripted_spec
from tui.cli.train import train


def train_scripted(folder: Path, small_mnist: Path, **settings: object) -> int:
    """Train both scripted engines, headless; return the exit code."""
    request = RunRequest(settings={"epochs": 1, "batch_size": 64, "data_dir": str(small_mnist), **settings})
    return train([scripted_spec("pytorch"), scripted_spec("keras")], request, str(folder), json_lines=False, bars=False)


def spans(folder: Path) -> list[tuple[float, float, str, int]]:
    """Return (start, end, engine, seed) of each run, by its start."""
    runs = []
    for run in folder.iterdir():
        events: list[Event] = list(read_events(run / "events.jsonl"))
        for request in (event for event in events if isinstance(event, RunRequested)):
            ends = [e.t for e in events if e.engine == request.engine and isinstance(e, RunFinished | DataReady)]
            runs.append((request.t, ends[-1], request.engine, request.config.seed))
    return sorted(runs)


def test_a_time_trial_alternates_the_order_of_the_engines(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.3)
    assert train_scripted(tmp_path / "runs", small_mnist, mode="time-trial", seeds=3, seed=7) == 0
    turns = spans(tmp_path / "runs")
    assert [(engine, seed) for _, _, engine, seed in turns] == [
        ("pytorch", 7), ("keras", 7), ("keras", 8), ("pytorch", 8), ("pytorch", 9), ("keras", 9),
    ]  # fmt: skip
    for before, after in itertools.pairwise(turns):
        assert after[0] - before[1] >= 0.3, "a run starts when the last one has ended and all have rested"
    out = capsys.readouterr().out
    assert "not comparable" not in out
    assert "over 3 seeds" in out
    assert out.count("seed 8: ") == 2
    folders = sorted((tmp_path / "runs").iterdir())
    series = {json.loads((folder / "config.json").read_text())["series"] for folder in folders[1:]}
    assert series == {folders[0].name}
    summary = json.loads((folders[0] / "summary.json").read_text())
    assert summary["comparison"]["times"] == "comparable"
    assert summary["comparison"]["verdict"]["text"]


def test_a_race_of_two_seeds_runs_both_at_once(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.1)
    assert train_scripted(tmp_path / "runs", small_mnist, seeds=2) == 0
    turns = spans(tmp_path / "runs")
    assert [seed for _, _, _, seed in turns] == [0, 0, 1, 1]
    assert turns[1][0] < turns[0][1], "at once"
    assert turns[2][0] > max(turns[0][1], turns[1][1]), "the next seed starts when both have ended"
    assert "shared CPU: times not comparable" in capsys.readouterr().out


def test_workers_that_live_on_name_the_gpus_that_they_hold() -> None:
    """In the order of their ranks, and whether the driver's figures may still be of their last run."""
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    (round_,) = rounds_of(dict.fromkeys(histories, TrainConfig()))
    gpus = tuple(Device(id=f"cuda:{i}", name="fake GPU", gpu=f"GPU-{i}") for i in range(3))
    assert {auto.held for auto in round_.auto_devices(histories, 100.0).values()} == {()}
    for (engine, history), device in zip(histories.items(), ("cuda:2", "cuda:0"), strict=True):
        for event in ended_run_on(engine, device, gpus, t=50.0):
            history.apply(event)
    autos = round_.auto_devices(histories, 100.0)
    assert [(auto.rank, auto.held, auto.just_used) for auto in autos.values()] == [
        (0, ("GPU-2", "GPU-0"), False),
        (1, ("GPU-2", "GPU-0"), False),
    ]
    assert round_.auto_devices(histories, 51.0)["keras"].just_used
    histories["pytorch"].apply(WorkerExited(engine="pytorch", t=60.0, returncode=0, signal="", log_tail=()))
    assert round_.auto_devices(histories, 100.0)["keras"].held == ("GPU-0",)


def ended_run_on(engine: str, device: str, gpus: tuple[Device, ...], t: float) -> list[Event]:
    """Return the events of a worker with these GPUs, and of its run on one of them, which ended at `t`."""
    config = TrainConfig()
    return [
        WorkerReady(
            engine=engine, pid=1, framework="F", version="1", devices=gpus, num_threads=1, import_seconds=1.0
        ),
        RunRequested(engine=engine, run_id="r", config=config),
        RunStarted(
            engine=engine, run_id="r", config=config, device=device, precision="fp32", num_threads=1, steps_per_epoch=1,
            total_steps=1,
        ),
        RunFinished(
            engine=engine, run_id="r", t=t, outcome="completed", test_accuracy=None, test_loss=None, best_epoch=None,
            train_seconds=1.0, wall_seconds=1.0,
        ),
    ]  # fmt: skip


def test_a_run_that_fails_does_not_end_the_series(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker crashes at its fifth step; all runs of the series are tried, and its exit code is 1."""
    monkeypatch.setattr(schedule, "REST_SECONDS", 0.1)
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "crash@5")
    assert train_scripted(tmp_path / "runs", small_mnist, mode="time-trial", seeds=2) == 1
    assert capsys.readouterr().out.count("SIGSEGV") >= 4
