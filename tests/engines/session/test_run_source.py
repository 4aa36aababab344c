"""Run sources: the controls that a live session or a replay does not have do nothing."""

from __future__ import annotations

from pathlib import Path

from engines.config import TrainConfig
from engines.runs.reader import read_events
from engines.session.replay import DEMO, Replay
from engines.session.session import Session
from tests.support.engines import scripted_spec


def test_commands_to_runs_do_nothing_in_a_replay(tmp_path: Path) -> None:
    replay = Replay(list(read_events(DEMO)), clock=lambda: 0.0)
    replay.start_workers({"keras": TrainConfig()})
    replay.start({"keras": TrainConfig()})
    for command in (replay.pause, replay.resume, replay.stop, replay.save, replay.kill):
        command("keras")
    assert replay.resume_run(tmp_path, {}) == ""
    assert replay.predict("keras", [0] * 784) == 0
    assert (replay.running, replay.paused, replay.is_free("keras"), replay.folder("keras")) == (
        False,
        False,
        False,
        None,
    )
    assert replay.close()


def test_the_players_controls_do_nothing_in_a_live_session(tmp_path: Path) -> None:
    session = Session([scripted_spec()], lambda name, call: None, cache_dir=tmp_path, runs_dir=None)
    session.toggle()
    session.seek(5.0)
    session.seek_epoch(1)
    session.change_speed(1)
    assert (session.recorded, session.playback, session.length_seconds) == (False, "", 0.0)
    assert session.close(0.0)
