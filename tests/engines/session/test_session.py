"""A live session: which worker gets the next run."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.events import Event, LogLine, RunFailed, RunFinished, TwinsCompared, WorkerSpawned
from engines.runs.reader import read_events
from engines.session.session import Session
from tests.support.engines import scripted_spec


def launch(_: str, run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()


def train(session: Session, config: TrainConfig, engine: str = "pytorch") -> None:
    """Run to the end, and return as soon as the session knows of it."""
    session.start({engine: config})
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


def test_both_engines_of_a_run_are_compared_after_each_epoch(tmp_path: Path, small_config: TrainConfig) -> None:
    """The comparisons are part of the record and of the summary, whichever engine ends first."""
    events: list[Event] = []
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    session = Session(specs, launch, cache_dir=tmp_path, runs_dir=tmp_path / "runs", on_event=events.append)
    session.start({"pytorch": small_config, "keras": small_config})
    while session.running:
        threading.Event().wait(0.02)
        session.drain()
    assert session.close()
    compared = [event for event in events if isinstance(event, TwinsCompared)]
    assert [event.global_step for event in compared] == [10, 20]
    assert {distance for event in compared for _, distance in event.layers} == {0.0}, "the scripted engines are equal"
    assert {event.answers for event in compared} == {0}
    (folder,) = (tmp_path / "runs").iterdir()
    recorded = [event for event in read_events(folder / "events.jsonl") if isinstance(event, TwinsCompared)]
    assert recorded == compared
    summary = json.loads((folder / "summary.json").read_text())
    assert [one["epoch"] for one in summary["comparison"]["twins"]] == [1, 2]
