"""A live session: which worker gets the next run."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.experiment.arrays import load_arrays, save_arrays
from engines.messages.events import Event, LogLine, RunFailed, RunFinished, TwinsCompared, WorkerSpawned
from engines.runs.reader import read_events, read_run
from engines.session.session import Session
from tests.support.engines import scripted_spec


def launch(_: str, run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()


def train(session: Session, config: TrainConfig, engine: str = "pytorch") -> None:
    """Run to the end, and return as soon as the session knows of it."""
    session.start({engine: config})
    run_to_the_end(session)


def run_to_the_end(session: Session) -> None:
    """Drain the session until no run is under way."""
    while session.running:
        threading.Event().wait(0.02)
        session.drain()


def test_a_restart_after_a_lost_gpu_gets_a_new_worker(
    tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restart may come before the old worker has ended."""
    events: list[Event] = []
    session = Session([scripted_spec()], launch, cache_dir=tmp_path, runs_dir=None, on_event=events.append)
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "poison@3")
    train(session, small_config)
    monkeypatch.delenv("MNIST_TUI_SCRIPT")
    train(session, small_config)
    assert session.close()
    assert len([event for event in events if isinstance(event, RunFailed)]) == 1
    assert [event.outcome for event in events if isinstance(event, RunFinished)] == ["completed"]
    assert len([event for event in events if isinstance(event, WorkerSpawned)]) == 2


@pytest.mark.parametrize(("one_config", "visible"), [(True, "5,3"), (False, "5,3,2")])
def test_a_command_for_one_device_hides_later_gpus_from_its_worker(
    one_config: bool, visible: str, tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app does not: its next run may be on another device, and it lists them all."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3,2")
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "environment@import")
    events: list[Event] = []
    session = Session(
        [scripted_spec("keras")],
        launch,
        cache_dir=tmp_path,
        runs_dir=None,
        on_event=events.append,
        one_config=one_config,
    )
    train(session, dataclasses.replace(small_config, device="cuda:1"), "keras")
    assert session.close()
    assert f"CUDA_VISIBLE_DEVICES={visible}" in [event.text for event in events if isinstance(event, LogLine)]


@pytest.fixture
def long_epochs(small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """Make a config of epochs of 40 steps, 0.8 s: a checkpoint is read before the next one replaces it, on a busy machine too."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    return dataclasses.replace(small_config, batch_size=16)


def test_both_engines_of_a_run_are_compared_after_each_epoch(tmp_path: Path, long_epochs: TrainConfig) -> None:
    """The comparisons are part of the record and of the summary, whichever engine ends first."""
    events: list[Event] = []
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    session = Session(specs, launch, cache_dir=tmp_path, runs_dir=tmp_path / "runs", on_event=events.append)
    session.start({"pytorch": long_epochs, "keras": long_epochs})
    while session.running:
        threading.Event().wait(0.02)
        session.drain()
    assert session.close()
    compared = [event for event in events if isinstance(event, TwinsCompared)]
    assert [event.global_step for event in compared] == [40, 80]
    assert {distance for event in compared for _, distance in event.layers} == {0.0}, "the scripted engines are equal"
    assert {event.answers for event in compared} == {0}
    (folder,) = (tmp_path / "runs").iterdir()
    recorded = [event for event in read_events(folder / "events.jsonl") if isinstance(event, TwinsCompared)]
    assert recorded == compared
    summary = json.loads((folder / "summary.json").read_text())
    assert [one["epoch"] for one in summary["comparison"]["twins"]] == [1, 2]


def set_back(checkpoint: Path) -> None:
    """Make a checkpoint of the end of a run of two epochs one of the end of its first."""
    arrays = load_arrays(checkpoint)
    metadata = json.loads(str(arrays["facts"]))
    steps = metadata["position"]["global_step"] // 2
    metadata["position"] |= {"epoch": 2, "global_step": steps, "evaluated_step": steps}
    save_arrays({**arrays, "facts": np.array(json.dumps(metadata))}, checkpoint)


@pytest.mark.parametrize("ended", ["both after one epoch", "one after two, the other after one"])
def test_a_resumed_run_has_the_comparisons_of_its_past_once(
    ended: str, tmp_path: Path, long_epochs: TrainConfig
) -> None:
    """As `mnist-tui train --resume` does: a finished engine is repeated and needs no worker."""
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    before, after = (
        Session(specs, launch, cache_dir=tmp_path / "cache", runs_dir=tmp_path / name) for name in ("before", "after")
    )
    one_finished = ended.startswith("one")
    config = dataclasses.replace(long_epochs, epochs=2 if one_finished else 1, mode="time-trial")
    before.start({"pytorch": config, "keras": config})
    run_to_the_end(before)
    assert before.close()
    (folder,) = (tmp_path / "before").iterdir()
    if one_finished:
        set_back(folder / "keras.npz")
    assert after.resume_run(folder, {"epochs": 2}) == ""
    run_to_the_end(after)
    assert after.close()
    (folder,) = (tmp_path / "after").iterdir()
    recorded = [event for event in read_events(folder / "events.jsonl") if isinstance(event, TwinsCompared)]
    assert [event.global_step for event in recorded] == [40, 80]
    assert {event.run_id for event in recorded} == {folder.name}
    summary = json.loads((folder / "summary.json").read_text())
    assert [one["epoch"] for one in summary["comparison"]["twins"]] == [1, 2]


def test_a_record_begins_with_the_worker_and_its_warm_up(tmp_path: Path, small_config: TrainConfig) -> None:
    """Without the warm-up, the first build of a run in a warm worker would be in no record."""
    session = Session([scripted_spec()], launch, cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    session.start_workers({"pytorch": small_config})
    while session.histories["pytorch"].warm_up is None:
        threading.Event().wait(0.02)
        session.drain()
    train(session, small_config)
    assert session.close()
    (folder,) = (tmp_path / "runs").iterdir()
    history = read_run(folder)[0]["pytorch"]
    assert not history.cold_start
    assert history.warm_up is not None
    assert history.model is not None
    assert history.build_seconds == history.model.seconds + (history.warm_up.build_seconds or 0.0)


def test_the_worker_of_a_finished_engine_lives_on(tmp_path: Path, small_config: TrainConfig) -> None:
    """Continuing a run repeats the finished engine's events; the end of its worker was once taken for that of the live one."""
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    session = Session(specs, launch, cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    config = dataclasses.replace(small_config, epochs=2)
    session.start({"pytorch": config, "keras": config})
    run_to_the_end(session)
    (before,) = (tmp_path / "runs").iterdir()
    set_back(before / "keras.npz")

    pid = session.histories["pytorch"].pid
    assert session.resume_run(before, {}) == ""
    run_to_the_end(session)
    (after,) = [folder for folder in (tmp_path / "runs").iterdir() if folder != before]
    history = session.histories["pytorch"]
    assert (history.pid, history.phase, history.run_id) == (pid, "finished", after.name)
    assert session.checkpoint("pytorch") == after / "pytorch.npz"
    recorded = read_run(after)[0]
    assert recorded["pytorch"].framework == history.framework
    assert {engine: its.outcome for engine, its in recorded.items()} == {"pytorch": "completed", "keras": "completed"}
    assert session.close()
