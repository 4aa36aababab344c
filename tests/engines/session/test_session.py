"""A live session: which worker gets the next run."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.events import Event, RunFailed, RunFinished, WorkerSpawned
from engines.session.session import Session
from tests.support.engines import scripted_spec


def train(session: Session, config: TrainConfig) -> None:
    """Run to the end, and return as soon as the session knows of it."""
    session.start({"pytorch": config})
    while session.running:
        threading.Event().wait(0.02)
        session.drain()


def test_a_restart_after_a_lost_gpu_gets_a_new_worker(
    tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restart may come before the old worker has ended."""
    events: list[Event] = []
    session = Session(
        [scripted_spec()],
        lambda _, run: threading.Thread(target=run, daemon=True).start(),
        cache_dir=tmp_path,
        runs_dir=None,
        on_event=events.append,
    )
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "poison@3")
    train(session, small_config)
    monkeypatch.delenv("MNIST_TUI_SCRIPT")
    train(session, small_config)
    assert session.close()
    assert len([event for event in events if isinstance(event, RunFailed)]) == 1
    assert [event.outcome for event in events if isinstance(event, RunFinished)] == ["completed"]
    assert len([event for event in events if isinstance(event, WorkerSpawned)]) == 2
